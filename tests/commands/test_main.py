import subprocess
import sys

import pytest

import irbox
from irbox.commands.main import COMMANDS, command_module, command_parser, main, overview


def test_every_command_says_what_it_takes():
    for name in COMMANDS:
        module = command_module(name)
        assert callable(module.run), name
        command_parser(name, f'irbox {name}').format_help()
        assert name in overview()


def test_the_modules_of_commands_are_light():
    """Help must not wait for torch."""
    code = (
        'import sys; from irbox.commands.main import COMMANDS, command_module\n'
        'for name in COMMANDS: command_module(name)\n'
        'print(*(m for m in ("torch", "timm", "skimage", "mmengine.runner") if m in sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


def test_the_version(capsys):
    assert main(['--version']) is None
    assert capsys.readouterr().out == f'irbox {irbox.__version__}\n'


def test_without_a_command_it_lists_them(capsys):
    assert main([]) == 2
    assert main(['--help']) is None
    assert capsys.readouterr().out.count('usage: irbox COMMAND') == 2


def test_a_command_that_does_not_exist():
    with pytest.raises(ValueError, match="no command 'restroe'. Did you mean 'restore'"):
        main(['restroe', 'a.jpg'])


def test_underscores_do_as_well(capsys):
    main(['list_parts', '--kind', 'experts'])
    assert 'MLPExpert' in capsys.readouterr().out


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, '-m', 'irbox', 'nope'], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: irbox has no command 'nope'.")
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('option', ['--max-megapixels', '--minutes'])
@pytest.mark.parametrize('value', ['0', 'nan', 'inf', '1e308', 'x'])
def test_limits_of_the_page_are_numbers_that_can_be_counted_with(option, value, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['ui', option, value])
    assert caught.value.code == 2
    assert f'Error: {option}: {value!r} is no number above 0 and up to' in capsys.readouterr().err
