import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irbox.config.command_line import add_config_options, run_tool, users_mistake
from irbox.registry import BLOCKS, find_part


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    return parser.parse_args(['--cfg-options', *arguments]).cfg_options


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('a.b=3', 3),
        ('a.b=2e-4', 2e-4),
        ('a.b=true', True),
        ('a.b=None', None),
        ('a.b=null', None),
        ('a.b={type: Part, sizes: [1, 2]}', {'type': 'Part', 'sizes': [1, 2]}),
        ('a.b=[1,2.5,c]', [1, 2.5, 'c']),
        ('a.b=(1,2)', (1, 2)),
        ('a.b=1,2', [1, 2]),
        ('a.b=name', 'name'),
        ('a.b=/data/my photos', '/data/my photos'),
        ('a.b=/data/my run/model (1).pth', '/data/my run/model (1).pth'),
        ('a.b=(old) run/model.pth', '(old) run/model.pth'),
        ('a.b="[1, 2]"', [1, 2]),
        ('a.b=[[1, 2], (3, a)]', [[1, 2], (3, 'a')]),
        ('a.b="quoted text"', 'quoted text'),
        ('a.b=x=y', 'x=y'),
        ('a.b=', ''),
    ],
)
def test_options_are_read(text, value):
    assert parse(text) == {'a.b': value}


def test_an_option_that_is_no_yaml_is_an_error(capsys):
    with pytest.raises(SystemExit):
        parse('a.b={type: Part')
    assert 'no YAML' in capsys.readouterr().err


def test_options_given_twice_are_joined():
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    args = parser.parse_args(['--cfg-options', 'a=1', 'b=2', '--cfg-options', 'c=3'])
    assert args.cfg_options == {'a': 1, 'b': 2, 'c': 3}
    assert parser.parse_args([]).cfg_options == {}


@pytest.mark.parametrize('text', ['a.b', '=3', 'a=[1,2'])
def test_malformed_options_are_usage_errors(text, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(text)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def raised(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError('nothing was raised')


def library_error():
    int('x')


def own_error():
    find_part('Nonesuch', BLOCKS)


def divergence():
    raise FloatingPointError('The training diverged')


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        (own_error, "No block is called 'Nonesuch'"),
        (lambda: Path('/no/such/file').read_text(), '/no/such/file'),
        (lambda: os.mkdir('/proc/nothing'), '/proc/nothing'),
        (lambda: __import__('not_installed_anywhere'), 'not_installed_anywhere'),
        (divergence, 'diverged'),
        (lambda: bytearray(1 << 62), 'Lower the batch size, the patch size or num_workers'),
    ],
)
def test_the_users_mistakes(function, message):
    assert message in users_mistake(raised(function))


@pytest.mark.parametrize(
    'function',
    [
        library_error,
        lambda: {}['key'],
        lambda: [] + 1,
        lambda: 1 / 0,
        lambda: [].x,
        lambda: __import__('irbox.nothing'),
    ],
)
def test_bugs(function):
    assert users_mistake(raised(function)) is None


def test_errors_of_worker_processes_are_told_in_one_line():
    import irbox.registry

    line = next(
        number
        for number, text in enumerate(Path(irbox.registry.__file__).read_text().splitlines(), 1)
        if text.strip().startswith('raise ValueError(f')
    )
    text = (
        'Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call '
        'last):\n  File "/somewhere/fetch.py", line 3, in fetch\n    data = dataset[0]\n'
        f'  File "{irbox.registry.__file__}", line {line}, in f\n    raise ValueError(\n'
        'ValueError: Cannot read x.png: it is truncated.\n'
    )
    assert users_mistake(ValueError(text)) == 'Cannot read x.png: it is truncated.'
    assert users_mistake(ValueError(text.replace(irbox.registry.__file__, os.__file__))) is None


def test_a_mistake_ends_with_code_two_and_one_line(capsys, monkeypatch):
    monkeypatch.delenv('IRBOX_DEBUG', raising=False)
    with pytest.raises(SystemExit) as caught:
        run_tool(own_error)
    output = capsys.readouterr()
    assert caught.value.code == 2
    assert output.out == ''
    assert output.err.startswith("Error: No block is called 'Nonesuch'")
    assert output.err.count('\n') == 1


def test_debugging_shows_the_traceback_too(capsys, monkeypatch):
    monkeypatch.setenv('IRBOX_DEBUG', '1')
    with pytest.raises(SystemExit):
        run_tool(own_error)
    assert 'Traceback (most recent call last)' in capsys.readouterr().err


def test_only_the_first_process_speaks(capsys, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(SystemExit) as caught:
        run_tool(own_error)
    assert caught.value.code == 2
    assert capsys.readouterr().err == ''


def test_bugs_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_tool(lambda: 1 / 0)


def test_interruption(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run_tool(interrupted, interrupted='Interrupted. Add --resume.')
    assert caught.value.code == 130
    assert capsys.readouterr().err == 'Interrupted. Add --resume.\n'


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_help_does_not_wait_for_torch(tool, pytestconfig):
    script = pytestconfig.rootpath / 'tools' / f'{tool}.py'
    code = (
        f"import runpy, sys; sys.argv = ['{tool}.py', '--help']\n"
        f"try: runpy.run_path({str(script)!r}, run_name='__main__')\n"
        'except SystemExit as leaving: assert not leaving.code\n'
        "assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert '--cfg-options' in result.stdout
