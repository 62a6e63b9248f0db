"""``--offline``: whatever loads a model by its address can be told to fetch nothing."""

import argparse

import pytest
from PIL import Image

from irbox.commands import run_analysis, ui
from irbox.commands.main import COMMANDS, command_parser, tool
from support.small_model import small_model

# Nothing answers there; with --offline nobody asks.
ADDRESS = 'http://127.0.0.1:9/model.ckpt'
REFUSED = r'http://127.0.0.1:9/model\.ckpt.*--offline.*put it to'


@pytest.fixture(autouse=True)
def nobody_asks(monkeypatch, tmp_path):
    def asked(*args, **kwargs):
        raise AssertionError('something was fetched')

    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('socket.socket.connect', asked)


def named(parser):
    """The options and arguments of a parser and of those under it."""
    for action in parser._actions:
        yield action.dest
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from named(below)


def test_every_command_that_names_a_model_has_it():
    loading = {name for name in COMMANDS if 'model' in set(named(command_parser(name)))}
    assert loading == {'restore', 'ui', 'verify', 'export', 'save-model', 'benchmark-restoring'}
    for name in loading | {'analyse'}:
        assert 'offline' in set(named(command_parser(name))), name


@pytest.fixture
def photo(tmp_path):
    Image.new('RGB', (32, 24), 'gray').save(tmp_path / 'photo.png')
    return tmp_path / 'photo.png'


def test_restore_and_verify(photo, tmp_path):
    with pytest.raises(FileNotFoundError, match=REFUSED):
        tool('restore')([str(photo), '--model', ADDRESS, '--offline'])
    folder = small_model(precision='fp32').save(tmp_path / 'model')
    assert not tool('restore')([str(photo), '--model', str(folder)])
    answer = photo.with_name('photo_restored.png')
    with pytest.raises(FileNotFoundError, match=REFUSED):
        tool('verify')([str(photo), str(answer), '--model', ADDRESS, '--offline'])
    assert not tool('verify')([str(photo), str(answer), '--model', str(folder), '--offline'])


@pytest.mark.parametrize(
    'command',
    [
        ['export', ADDRESS, 'model.onnx'],
        ['save-model', ADDRESS, 'folder'],
        ['benchmark-restoring', 'seams', ADDRESS],
    ],
)
def test_what_makes_files_of_a_model(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=REFUSED):
        tool(command[0])([*command[1:], '--offline'])
    assert list(tmp_path.iterdir()) == []


def test_the_page(tmp_path):
    args = command_parser('ui').parse_args(['--model', ADDRESS, '--offline'])
    with pytest.raises(FileNotFoundError, match=REFUSED):
        ui._desk(args, None, tmp_path)


def test_compare(tmp_path, monkeypatch):
    monkeypatch.setattr(run_analysis, '_model', lambda *args: small_model())
    method = ['--method', f'theirs={ADDRESS}', '--offline', '--out', str(tmp_path / 'out')]
    with pytest.raises(FileNotFoundError, match=REFUSED):
        tool('analyse')(['compare', 'config.yaml', 'final.pth', *method])
