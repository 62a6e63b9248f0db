"""Two real processes by torchrun, one of them killed: begun again, nothing lost or made twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.tiny_model import photograph, tiny_model

NUMBER = 16
SIZE = (250, 180)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path('/proc').is_dir(), reason='finds processes by /proc'),
]


@pytest.fixture
def start(tmp_path):
    tiny_model().save(tmp_path / 'model')
    (tmp_path / 'tree' / 'deep').mkdir(parents=True)
    for number in range(NUMBER):
        folder = tmp_path / 'tree' / ('deep' if number % 2 else '.')
        photograph(*SIZE).rotate(number).save(folder / f'{number:02}.png')
    # Not of the format that its name says: its answer is named otherwise, and found again.
    photograph(*SIZE).save(tmp_path / 'tree' / 'lies.jpg', 'PNG')
    started = []

    def run():
        launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
        command = ['-m', 'irbox', 'restore', 'tree', '--out', 'out', '--recursive']
        process = subprocess.Popen(
            [*launch, '--nproc_per_node=2', *command, '--model', 'model', '--tile', '64'],
            cwd=tmp_path,
            env=os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONFAULTHANDLER': '1'},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def entries(folder):
    """The lines of the list that both processes share."""
    path = folder / '.irbox-done.jsonl'
    lines = path.read_text().split('\n') if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith('{') and line.endswith('}')]


def finished(folder):
    return [Path(one['target']) for one in entries(folder) if one['state'] == 'done']


def workers(launcher):
    """Process numbers of what torchrun started, by rank."""
    found = {}
    for place in Path('/proc').glob('[0-9]*'):
        try:
            parent = re.search(r'^PPid:\s*(\d+)', (place / 'status').read_text(), re.M)
            if parent is None or int(parent[1]) != launcher.pid:
                continue
            environment = (place / 'environ').read_bytes().split(b'\0')
        except OSError:
            continue
        ranks = [one[5:] for one in environment if one.startswith(b'RANK=')]
        if ranks:
            found[int(ranks[0])] = int(place.name)
    return found


def test_a_killed_process_and_a_run_that_goes_on(start, tmp_path):
    out = tmp_path / 'out'
    first = start()
    end = time.monotonic() + 240
    while len(finished(out)) < 3:
        assert first.poll() is None, first.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(workers(first)[1], signal.SIGKILL)
    first.communicate(timeout=120)  # torchrun ends the other one, too
    assert first.returncode != 0
    before = {path: path.stat().st_mtime_ns for path in finished(out)}
    assert 3 <= len(before) < NUMBER + 1

    second = start()
    said, _ = second.communicate(timeout=240)
    assert second.returncode == 0, said
    expected = {path.relative_to(tmp_path / 'tree') for path in (tmp_path / 'tree').rglob('*.png')}
    made = {path.relative_to(out) for path in out.rglob('*') if path.is_file()}
    # Nothing half written is left of the process that was killed.
    assert made == expected | {Path('lies.png'), Path('.irbox-done.jsonl')}
    # What was done before is not made again, and nothing is done twice in all.
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(finished(out)) == len(set(finished(out))) == NUMBER + 1
    for path in finished(out):
        with Image.open(path) as picture:
            assert np.asarray(picture).shape == (*SIZE[::-1], 3)
    # Each picture is that of its own name: what one process alone makes of it.
    one = Path('deep/01.png')
    again = tiny_model().restore(np.asarray(Image.open(tmp_path / 'tree' / one)), tile=64)
    np.testing.assert_array_equal(np.asarray(Image.open(out / one)), again)
