"""A real cluster of this machine: starts that are killed, workers that are, and bad files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from irbox.commands.main import main
from support.broken_decoder import break_decoder, save_what_aborts
from support.tiny_model import photograph, tiny_model

NUMBER = 60
SIZE = (250, 180)
WORKER = b'ray::MapWorker(MapBatches(Restore)'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model().save('model')
    for name in ('tree', 'packed'):
        Path(name).mkdir()
    for number in range(NUMBER):
        photograph(*SIZE).rotate(number).save(f'tree/{number:02}.png')
    Path('tree/bad.png').write_bytes(b'no picture')
    save_what_aborts('tree/aborts.png')
    photograph(*SIZE).save('packed/one.jpg')
    with tarfile.open('shard.tar', 'w') as archive:
        archive.add('packed')
    break_decoder(tmp_path / 'code', monkeypatch)
    return tmp_path


@pytest.fixture
def start(folder):
    pytest.importorskip('ray.data')
    started = []

    def run():
        # A file: what a cluster leaves behind would hold a pipe.
        with open('said.txt', 'w') as said:
            process = subprocess.Popen(
                [sys.executable, '-m', 'irbox', 'restore', 'tree', 'shard.tar', '--out', 'out']
                + ['--model', 'model', '--ray', '--workers', '1', '--tile', '64']
                + ['--report', 'report.json'],
                env=os.environ | {'PYTHONFAULTHANDLER': '0'},
                stderr=said,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def entries():
    path = Path('out/.irbox-done.jsonl')
    lines = path.read_text().split('\n') if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith('{') and line.endswith('}')]


def finished():
    return [Path(one['target']) for one in entries() if one['state'] == 'done']


def wait_for(number, process):
    end = time.monotonic() + 600
    while len(finished()) < number:
        assert process.poll() is None, Path('said.txt').read_text()
        assert time.monotonic() < end
        time.sleep(0.02)


def workers():
    """Process numbers of those that hold a model."""
    return [
        int(place.parent.name)
        for place in Path('/proc').glob('[0-9]*/cmdline')
        if place.read_bytes().startswith(WORKER)
    ]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not Path('/proc').is_dir(), reason='finds processes by /proc')
def test_killed_and_begun_again_and_a_worker_killed(start, folder):
    first = start()
    wait_for(2, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = {path: path.stat().st_mtime_ns for path in Path('out').rglob('*.png')}
    assert 2 <= len(before) < NUMBER

    second = start()
    wait_for(len(before) + 2, second)
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
    second.wait(timeout=900)
    said = Path('said.txt').read_text()
    assert second.returncode == 1, said
    assert 'bad.png is damaged' in said
    assert 'aborts.png: the process that worked on it was killed' in said

    made = {path.relative_to('out') for path in Path('out').rglob('*.[pj]*g')}
    names = {Path(f'{number:02}.png') for number in range(NUMBER)}
    assert made == names | {Path('shard/packed/one.jpg')}
    assert len(finished()) == len(set(finished()))
    # What the first start had made is not made again.
    assert {path: path.stat().st_mtime_ns for path in before} == before
    pictures = json.loads(Path('report.json').read_text())['pictures']
    statuses = [one['status'] for one in pictures]
    assert statuses.count('failed') == 2
    assert len(pictures) == NUMBER + 3
    # Each is what the command by itself writes.
    shutil.rmtree('tree')
    shutil.copytree('packed', 'tree')
    assert main(['restore', 'tree', '--out', 'plain', '--model', 'model', '--tile', '64']) == 0
    assert Path('plain/one.jpg').read_bytes() == Path('out/shard/packed/one.jpg').read_bytes()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'needs --out'),
        (['--out', 'out', '--compare'], 'draws no sheets'),
        (['--out', 'out', '--model', 'a,b'], 'by one model'),
    ],
)
def test_what_does_not_go_together(folder, options, message):
    with pytest.raises(ValueError, match=message):
        main(['restore', 'tree', '--ray', *options])


def test_a_dry_run_starts_nothing(folder, capsys):
    pytest.importorskip('ray.data')
    options = ['--ray', '--dry-run', '--model', 'model', '--out', 'out']
    assert main(['restore', 'shard.tar', *options]) == 0
    assert 'shard.tar/packed/one.jpg -> out/shard/packed/one.jpg' in capsys.readouterr().err
    assert not Path('out').exists()
