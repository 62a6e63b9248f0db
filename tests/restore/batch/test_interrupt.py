"""A batch in a process of its own that is interrupted, or killed and begun again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.tiny_model import photograph, tiny_model

NUMBER = 12
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != 'posix', reason='signals of this kind are POSIX'),
]


@pytest.fixture
def start(tmp_path):
    tiny_model().save(tmp_path / 'model')
    (tmp_path / 'tree').mkdir()
    for number in range(NUMBER):
        # Large enough that a signal meets the batch at work.
        picture = photograph(250, 180).rotate(number)
        picture.save(tmp_path / 'tree' / f'{number:02}.png')
    processes = []

    def run(*options):
        command = ['restore', 'tree', '--out', 'out', '--model', 'model', '--tile', '64', *options]
        process = subprocess.Popen(
            [sys.executable, '-m', 'irbox', *command],
            cwd=tmp_path,
            env=os.environ | {'OMP_NUM_THREADS': '1'},
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for_answer(process, folder):
    """Wait until the first answer has its name."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if list(folder.glob('*.png')):
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    pytest.fail('no answer in two minutes')


def answers(folder):
    """Give name -> time of change of the answers."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob('*.png')}


def assert_whole(folder):
    """Check that every answer can be read to its end and has the size of its source."""
    for path in folder.glob('*.png'):
        with Image.open(path) as picture:
            assert np.asarray(picture).shape == (180, 250, 3), path


def test_an_interrupt_finishes_the_picture_at_hand(start, tmp_path):
    process, out = start(), tmp_path / 'out'
    wait_for_answer(process, out)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    made = len(answers(out))
    assert 1 <= made < NUMBER
    assert process.returncode == 1, said
    assert 'Finishing the picture at hand' in said
    assert f'Restored {made} of {NUMBER}' in said
    assert f'{NUMBER - made} were not begun' in said
    assert 'Traceback' not in said
    assert {path.suffix for path in Path(out).iterdir()} == {'.png'}  # nothing half written
    assert_whole(out)


def test_after_a_kill_a_done_list_goes_on(start, tmp_path):
    process, out = start('--done-list', 'done.jsonl'), tmp_path / 'out'
    wait_for_answer(process, out)
    process.kill()
    process.communicate(timeout=120)
    done = [line for line in (tmp_path / 'done.jsonl').read_text().splitlines() if '"done"' in line]
    before = {
        name: changed
        for name, changed in answers(out).items()
        if any(name in line for line in done)
    }
    assert len(before) < NUMBER

    again = start('--done-list', 'done.jsonl')
    _, said = again.communicate(timeout=240)
    assert again.returncode == 0, said
    after = answers(out)
    assert sorted(after) == [f'{number:02}.png' for number in range(NUMBER)]
    assert {name: after[name] for name in before} == before  # none made twice
    assert f'Restored {NUMBER - len(before)}' in said
    assert_whole(out)
