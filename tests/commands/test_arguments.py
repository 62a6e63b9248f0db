"""What each command takes, and what it hands on; no command is run."""

import argparse
import runpy
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import irbox.__main__ as module_main
from irbox.commands import (
    benchmark_loading,
    benchmark_scan,
    check_data,
    completion,
    configs,
    convert_checkpoint,
    describe,
    list_parts,
    restore,
    test,
    train,
)
from irbox.commands.main import COMMANDS


def parse(module, *arguments):
    parser = argparse.ArgumentParser(prog='it')
    module.add_arguments(parser)
    return vars(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ('module', 'arguments', 'wanted'),
    [
        (train, ['c.py'], {'resume': None, 'amp': None, 'seed': None, 'dry_run': False}),
        (train, ['c.py', '--resume', '--amp'], {'resume': 'auto', 'amp': 'bf16'}),
        (train, ['c.py', '--resume', 'a.pth', '--amp', 'fp16'], {'resume': 'a.pth', 'amp': 'fp16'}),
        (test, ['c.py', 'a.pth'], {'protocol': [], 'published': None, 'layout': None}),
        (test, ['c.py', 'a.pth', '--protocol', 'aio', 'y601'], {'protocol': ['aio', 'y601']}),
        (test, ['c.py', 'a.pth', '--published'], {'published': ''}),
        (describe, ['c.py'], {'size': (720, 480)}),
        (describe, ['c.py', '--size', '64x48'], {'size': (64, 48)}),
        (check_data, ['c.py', '--json', 'a.json'], {'json': Path('a.json'), 'deep': False}),
        (list_parts, ['--kind', 'blocks', '--kind', 'experts'], {'kind': ['blocks', 'experts']}),
        (list_parts, [], {'sources': [], 'kind': None}),
        (configs, [], {'action': None}),
        (configs, ['copy', 'm2ir', 'to.py'], {'name': 'm2ir', 'to': Path('to.py')}),
        (benchmark_scan, ['--dim', '8'], {'dim': 8, 'device': 'cpu', 'threads': None}),
        (benchmark_loading, [], {'patch': 128, 'augment': 'dihedral'}),
        (convert_checkpoint, ['daclip', 'a', 'b'], {'trust_pickle': False, 'input': Path('a')}),
    ],
)
def test_what_is_understood(module, arguments, wanted):
    found = parse(module, *arguments)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ('module', 'arguments', 'said'),
    [
        (train, [], 'required: config'),
        (train, ['c.py', '--amp', 'tf32'], "invalid choice: 'tf32'"),
        (train, ['c.py', '--seed', '1.5'], "invalid int value: '1.5'"),
        (describe, ['c.py', '--size', '64'], '--size'),
        (describe, ['c.py', '--size', '0x4'], '--size'),
        (benchmark_scan, ['--dim', '0'], '--dim'),
        (benchmark_loading, ['--rounds', 'many'], '--rounds'),
        (convert_checkpoint, ['daclip', 'a'], 'required: OUT'),
        (convert_checkpoint, [], 'required: kind'),
        (completion, ['fish'], "invalid choice: 'fish'"),
    ],
)
def test_what_is_refused_names_the_argument(module, arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(module, *arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_a_published_table_and_another_layout():
    arguments = SimpleNamespace(published='m2ir_2', layout='m2ir_3')
    with pytest.raises(ValueError, match='brings its own columns: leave --layout m2ir_3 away'):
        test.run(arguments)


def test_every_kind_of_checkpoint_has_its_own_conversion(monkeypatch):
    for kind, more in (('daclip', []), ('m2restore', []), ('published', ['c.py'])):
        found = parse(convert_checkpoint, kind, *more, 'in', 'out')
        assert found['convert'].__name__ == f'convert_{kind}'
    done = []
    convert_checkpoint.run(SimpleNamespace(convert=done.append))
    assert len(done) == 1


def test_what_was_converted_is_told_with_sizes_and_what_was_left_out(tmp_path, capsys):
    for name, size in (('a.pth', 3_000_000), ('b.pth', 1_500_000)):
        (tmp_path / name).write_bytes(bytes(size))
    given = SimpleNamespace(input=tmp_path / 'a.pth', output=tmp_path / 'b.pth')
    convert_checkpoint.report(given, 3, 1234, {'of the optimizer': 7})
    said = ' '.join(capsys.readouterr().out.split())
    assert '3 tensors, 1,234 parameters, 1.5 MB (was 3.0 MB)' in said
    assert said.endswith('Left out: 7 of the optimizer')


def test_a_shell_learns_every_command_and_option(monkeypatch):
    monkeypatch.setitem(
        sys.modules, 'shtab', SimpleNamespace(complete=lambda *given, **more: (given, more))
    )
    seen = []
    monkeypatch.setattr('builtins.print', seen.append)
    completion.run(SimpleNamespace(shell='zsh'))
    (((parser,), asked),) = seen
    (commands,) = (one for one in parser._actions if one.choices)
    assert asked == {'shell': 'zsh'} and set(commands.choices) == set(COMMANDS)
    assert '--resume' in commands.choices['train']._option_string_actions


def test_without_the_package_completion_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'shtab', None)
    with pytest.raises(ImportError, match='irbox completion needs shtab .*pip install shtab'):
        completion.run(SimpleNamespace(shell='bash'))


def test_restoring_is_handed_to_the_batch_and_gives_its_code(monkeypatch):
    # By its module: until that is imported, the name `irbox.restore` is the function.
    batch = import_module('irbox.restore.batch.restore_files')
    monkeypatch.setattr(batch, 'restore_files', lambda args: (args, 1))
    assert restore.run('arguments') == ('arguments', 1)
    found = parse(restore, 'a.png', '--strength', '0.5')
    assert found['strength'] == 0.5


def test_as_a_module_it_is_the_command(monkeypatch):
    called = []
    monkeypatch.setattr(sys.modules['irbox.commands.main'], 'entry_point', lambda: called.append(1))
    runpy.run_path(module_main.__file__, run_name='imported')
    assert called == []
    runpy.run_path(module_main.__file__, run_name='__main__')
    assert called == [1]
