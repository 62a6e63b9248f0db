import json
import shlex
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

from irbox.commands.main import main
from irbox.datasets.scenes import write_bank as writing
from irbox.datasets.scenes.scene_bank import RECORD, SceneBank, scene_file
from irbox.datasets.scenes.scene_generator import SceneGenerator
from irbox.datasets.scenes.write_bank import write_bank

OPTIONS = {'size': 32, 'seed': 4}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('bank')
    assert list(write_bank(path, 3, OPTIONS)) == [(0, 3), (1, 3), (2, 3), (3, 3)]
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_bank_holds_the_scenes(folder):
    bank = SceneBank(folder)
    assert (len(bank), bank.size) == (3, 32)
    for number in range(3):
        scene = SceneGenerator(**OPTIONS).draw(number)
        picture, window = bank.read(number)
        assert window == (0, 0, 32, 32)
        np.testing.assert_array_equal(np.asarray(picture.image), scene.image)
        np.testing.assert_allclose(np.asarray(picture.depth), scene.depth, atol=1 / 65535)


@pytest.mark.parametrize('window', [(0, 0, 8, 8), (24, 22.5, 32, 30.5), (10.25, 4, 20.75, 14.5)])
def test_a_part_is_as_good_as_the_whole(folder, window):
    bank = SceneBank(folder)
    whole, _ = bank.read(1)
    part, inside = bank.read(1, window)
    for one, other in ((whole.image, part.image), (whole.depth, part.depth)):
        np.testing.assert_allclose(
            np.asarray(one.resize((8, 8), 5, box=window)),
            np.asarray(other.resize((8, 8), 5, box=inside)),
            atol=1e-6,
        )


def test_a_bank_that_was_killed_goes_on_to_the_same_bits(folder, tmp_path, monkeypatch):
    steps = write_bank(tmp_path, 3, OPTIONS)
    next(steps), next(steps)
    steps.close()
    (tmp_path / 'scene_000002.npy.tmp.99').write_bytes(b'half')
    with pytest.raises(FileNotFoundError, match='holds 1 of 3 scenes. Finish it with'):
        SceneBank(tmp_path)
    drawn = []
    draw = writing._write_scene
    monkeypatch.setattr(writing, '_write_scene', lambda task: drawn.append(task[2]) or draw(task))
    assert list(write_bank(tmp_path, 3, OPTIONS))[0] == (1, 3)
    assert drawn == [1, 2]
    assert contents(tmp_path) == contents(folder)


def test_a_bank_can_be_made_longer(folder, tmp_path):
    list(write_bank(tmp_path, 1, OPTIONS))
    list(write_bank(tmp_path, 3, OPTIONS))
    assert contents(tmp_path) == contents(folder)
    with pytest.raises(ValueError, match='longer, not shorter'):
        next(write_bank(tmp_path, 2, OPTIONS))


@pytest.mark.slow
def test_processes_change_nothing(folder, tmp_path):
    list(write_bank(tmp_path, 3, OPTIONS, workers=2))
    assert contents(tmp_path) == contents(folder)


class Killed:
    """In place of processes: one answers, the next is killed."""

    def __init__(self, *_, **__):
        self.futures = []

    def submit(self, function, task):
        future = Future()
        if self.futures:
            future.set_exception(BrokenProcessPool())
        else:
            future.set_result(function(task))
        self.futures.append(future)
        return future

    def shutdown(self, **_):
        """Nothing runs."""


def test_a_process_that_is_killed_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, 'ProcessPoolExecutor', Killed)
    with pytest.raises(ChildProcessError, match='killed; . of 3 are there. The same command'):
        list(write_bank(tmp_path, 3, OPTIONS, workers=2))


def test_the_command_that_finishes_a_bank(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ('--options', 'light=false', 'details=0.25', 'layouts={leaves: 1}')
    main(['make-scenes', 'a bank', '--num', '2', '--size', '32', '--seed', '3', *options])
    scene_file(Path('a bank'), 1).unlink()
    with pytest.raises(FileNotFoundError) as raised:
        SceneBank('a bank')
    _, *words = shlex.split(str(raised.value).partition('Finish it with: ')[2])
    main(words)
    assert len(SceneBank('a bank')) == 2


def test_banks_are_not_mixed(folder, tmp_path):
    with pytest.raises(ValueError, match=r"options .*'seed': 4.* asked for .*'seed': 5"):
        next(write_bank(folder, 3, OPTIONS | {'seed': 5}))
    list(write_bank(tmp_path, 1, OPTIONS))
    record = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps(record | {'generator': 'older'}))
    with pytest.raises(ValueError, match='generator older'):
        next(write_bank(tmp_path, 1, OPTIONS))


def test_what_is_no_bank_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match='irbox make-scenes'):
        SceneBank(tmp_path)
    with pytest.raises(ValueError, match="Did you mean 'textures'"):
        next(write_bank(tmp_path / 'new', 1, OPTIONS | {'texture': False}))
    with pytest.raises(ValueError, match=r'options\.size: 1 must be at least 2'):
        next(write_bank(tmp_path / 'new', 1, OPTIONS | {'size': 1}))
    assert not (tmp_path / 'new').exists()
    assert scene_file(tmp_path, 12).name == 'scene_000012.npy'


def test_the_smallest_scenes_can_be_drawn(tmp_path):
    list(write_bank(tmp_path, 2, OPTIONS | {'size': 2}))
    assert SceneBank(tmp_path).read(1)[0].image.size == (2, 2)
