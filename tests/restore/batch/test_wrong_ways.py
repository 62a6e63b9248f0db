"""Ways to call ``irbox restore`` wrongly or to feed it badly: one line each, nothing lost.

The table is in ``tests/support/wrong_ways``.
"""

import hashlib
import io
import os
import shlex
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from irbox.commands.main import main
from irbox.config.command_line import run_tool
from support.tiny_model import photograph, tiny_model
from support.wrong_ways.arguments import ARGUMENTS
from support.wrong_ways.files import FILES
from support.wrong_ways.machine import MACHINE
from support.wrong_ways.places import PLACES

TABLE = [*ARGUMENTS, *PLACES, *FILES, *MACHINE]
NOBODY = 65534
FOLDERS = ('tree/deep', 'empty', 'same', 'x', 'y', 'words', 'above/below')


@pytest.fixture(scope='module')
def pattern():
    """A folder of inputs and models, which each way gets a copy of; any user may enter it."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in FOLDERS:
            Path(name).mkdir(parents=True)
        photograph().save('a.png')
        photograph(30, 50).save('b.jpg', quality=90)
        photograph(20, 20).save('tree/c.png')
        photograph(22, 24).save('tree/deep/d.webp', lossless=True)
        for name in ('same/a.png', 'same/a.webp', 'x/a.png', 'y/a.png', 'above/below/e.png'):
            photograph(8, 8).save(name)
        photograph().convert('L').point(lambda value: 255 * (value > 100)).save('mask.png')
        Path('text.txt').write_text('Dear Sir or Madam,\n')
        Path('words/text.txt').write_text('no picture')
        Path('clip.mp4').write_bytes(b'no film')
        Path('config.yaml').write_text('model: {}')
        for seed, name in enumerate(('model', 'other')):
            tiny_model(seed, name).save(name)
        os.chdir(before)
        yield Path(folder)


@pytest.fixture
def place(pattern, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, 'place')
        shutil.copytree(pattern, copy)
        monkeypatch.chdir(copy)
        yield copy
        monkeypatch.undo()


@pytest.fixture
def as_user(place):
    """Run as somebody to whom rights matter, where the tests run as an administrator."""
    if os.geteuid() != 0:
        yield lambda: None
        return
    for path in [place.parent, place, *place.rglob('*')]:
        os.chown(path, NOBODY, NOBODY)
    yield lambda: os.seteuid(NOBODY)
    os.seteuid(0)


def content():
    """Every file and link, and what it holds."""
    found = {}
    for path in Path().rglob('*'):
        if path.is_symlink() or not path.is_file():
            found[str(path)] = os.readlink(path) if path.is_symlink() else 'no file'
        else:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def arguments_of(way):
    words = shlex.split(way.typed)
    named = way.bare or '--model' in words or words[:1] not in (['restore'], ['verify'])
    return words if named else [*words, '--model', 'model']


@pytest.mark.filterwarnings('ignore::UserWarning:PIL')
@pytest.mark.parametrize('way', TABLE, ids=str)
def test_one_line_and_nothing_written(way, place, as_user, capsys, monkeypatch):
    if way.prepare is not None:
        way.prepare()
    before = content()
    for name, value in way.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO()))
    if way.user:
        as_user()
    with way.within(), pytest.raises(SystemExit) as ended:  # any other error is a traceback
        run_tool(partial(main, arguments_of(way)))
    if way.user and os.getuid() == 0:
        os.seteuid(0)
    said, lines = capsys.readouterr(), []
    for line in said.err.splitlines():
        if not line.startswith(('restoring 1/1', 'Restored 0 of 1', 'Restored 0 of 2')):
            lines.append(line)
    assert ended.value.code == 2
    assert len(lines) == 1 and lines[0].startswith(('Error: ', 'Failed: ')), said.err
    assert [text for text in way.says if text not in lines[0]] == [], lines[0]
    assert said.out == ''
    assert content() == before


def test_there_are_a_hundred_ways_and_more():
    names = [str(way) for way in TABLE]
    assert len({(way.typed, way.name, *way.environment.items()) for way in TABLE}) == len(names)
    assert len(names) >= 200
