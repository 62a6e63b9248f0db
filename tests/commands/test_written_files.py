"""No answer of a command replaces what the command reads, or fails only once it is written."""

import argparse
import os

import pytest

from irbox.commands.main import COMMANDS, command_parser, main
from irbox.commands.written_files import written_file

KEPT = b'work_dir: x\n'
OVER_AN_INPUT = [
    (['check-data', 'a.yaml', '--json', 'a.yaml'], '--json a.yaml', 'config'),
    (['check-data', 'a.yaml', '--json', '../here/a.yaml'], '--json ../here/a.yaml', 'config'),
    (['check-data', 'a.yaml', '--json', 'link.json'], '--json link.json', 'config'),
    (['compare-results', 'a.yaml', 'b.csv', '--json', 'b.csv'], '--json b.csv', 'B'),
    (['benchmark', 'b.csv', 'a.yaml', '--json', 'a.yaml'], '--json a.yaml', 'configs'),
    (['benchmark', 'b.csv', '--plot', 'b.csv'], '--plot b.csv', 'configs'),
    (['benchmark', 'b.csv', '--json', 'new', '--plot', 'new'], '--json new', '--plot'),
    (['benchmark-restoring', 'seams', 'a.yaml', '--figure', 'a.yaml'], '--figure a.yaml', 'model'),
    (['show-data', 'a.yaml', '--out', 'a.yaml'], '--out a.yaml', 'config'),
    (['sweep', 'a.yaml', '--out', 'a.yaml'], '--out a.yaml', 'sweep'),
    (['test', 'a.yaml', 'b.csv', '--per-image', 'b.csv'], '--per-image b.csv', 'checkpoint'),
    (['test', 'a.yaml', '--contact-sheet', 'a.yaml'], '--contact-sheet a.yaml', 'config'),
    (['export', 'b.csv', 'b.csv', '--overwrite'], 'OUT b.csv', 'model'),
    (['consolidate', 'b.csv', 'b.csv'], 'output b.csv', 'checkpoint'),
    (['restore', 'b.csv', '--report', 'b.csv', '--overwrite'], '--report b.csv', 'IN'),
    (['restore', 'x', '--model', 'b.csv', '--done-list', 'b.csv'], '--done-list b.csv', '--model'),
]


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    folder = tmp_path / 'here'
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / 'a.yaml').write_bytes(KEPT)
    (folder / 'b.csv').write_bytes(KEPT)
    os.link('a.yaml', 'link.json')


@pytest.mark.parametrize(('arguments', 'written', 'other'), OVER_AN_INPUT, ids=' '.join)
def test_an_answer_over_an_input_is_refused(arguments, written, other):
    with pytest.raises(ValueError) as caught:
        main(arguments)
    kind = 'another answer' if other == '--plot' else 'an input'
    assert str(caught.value) == (
        f'{written} would replace {kind}, given as {other}. Give another name.'
    )
    for name in ('a.yaml', 'b.csv', 'link.json'):
        with open(name, 'rb') as file:
            assert file.read() == KEPT


def test_a_file_that_no_argument_names_may_be_replaced(capsys):
    """The rest is for the command to judge: this one finds that the sets are missing."""
    with pytest.raises(ValueError, match='dataloader'):
        main(['check-data', 'a.yaml', '--json', 'b.csv'])


def test_a_word_is_no_file(monkeypatch):
    """An answer may be called as a device is."""
    with pytest.raises(FileNotFoundError, match='none'):
        main(['benchmark', 'none.yaml', '--device', 'cpu', '--json', 'cpu'])


def _options():
    for name in sorted(COMMANDS):
        for action in command_parser(name)._actions:
            if action.type is written_file and action.option_strings:
                yield name, action.option_strings[-1]


@pytest.mark.parametrize(('name', 'option'), list(_options()))
def test_a_folder_and_a_place_that_cannot_be_written_to(name, option):
    parser = command_parser(name)
    needed = [
        'seams' if action.choices else 'x'
        for action in parser._actions
        if not action.option_strings
    ]
    with pytest.raises(ValueError, match=rf'^{option} \. is a folder\. Name a file\.$'):
        main([name, *needed, option, '.'])
    with pytest.raises(PermissionError, match=rf'^{option} a\.yaml/x: .* cannot be written to'):
        main([name, *needed, option, 'a.yaml/x'])


def test_every_option_for_a_file_to_write_is_looked_at():
    """What says that it writes or draws names a ``written_file``, but for what is refused else."""
    missed = []
    for name in COMMANDS:
        for action in command_parser(name)._actions:
            says = (action.help or '').startswith(('write ', 'draw ', 'also draw ', 'note '))
            takes = action.nargs != 0 and not isinstance(action, argparse._SubParsersAction)
            if says and takes and action.type is not written_file:
                missed.append((name, action.option_strings))
    assert missed == [('test', ['--out'])]  # a folder
