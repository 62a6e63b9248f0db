"""From ``irbox NAME ...`` to the module that does it.

A command is a module of this folder with ``add_arguments(parser)``, light to import, and
``run(args)``, which imports what it needs and may give an exit code. ``tools/NAME.py`` is the same
code, for those who work in a checkout.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import irbox
from irbox.commands.written_files import check_written_files
from irbox.utils.yapf_grammar import write_grammar_whole

Main = Callable[[Sequence[str] | None], int | None]

COMMANDS = {
    'restore': 'restore photographs: files, folders, whole trees',
    'ui': 'serve a page to drop photographs on',
    'train': 'train what a config describes',
    'test': 'score a checkpoint on the test sets of a config',
    'compare-results': 'compare two checkpoints, image by image',
    'analyse': "make the papers' analyses and figures for a checkpoint",
    'curves': 'plot what trainings logged over each other',
    'describe': "print what a config's network is made of, and its cost",
    'configs': 'list the configs that come with irbox, or copy one to edit',
    'models': 'list the models that can be named, and where to get them',
    'save-model': 'write a model as a folder for others to use',
    'export': 'write a model as a file that other programs run',
    'verify': 'repeat how a restored picture was made, and compare',
    'check-data': "look for what is wrong with the files of a config's data sets",
    'show-data': 'draw what a config feeds its network',
    'pack-data': "pack a config's training images into few large files",
    'make-scenes': 'write a bank of generated scenes to train on',
    'list-parts': 'list every part that a config can name',
    'sweep': 'train the rows of a table of ablations',
    'consolidate': 'put a checkpoint that several processes wrote into one file',
    'convert-checkpoint': 'convert published weights to ours',
    'benchmark': 'time networks beside textbook builds and other checkouts',
    'benchmark-loading': 'time the reading of training data',
    'benchmark-scan': "time Mamba's selective scan",
    'benchmark-restoring': 'measure seams, speed and memory of restoring pictures',
    'scale': 'work out what trainings and archives would take on many machines',
    'doctor': 'say what this machine can do, and what is missing',
    'completion': 'print what makes a shell complete these commands',
}
"""Name -> what it does, in the order of the help."""


class _Parser(argparse.ArgumentParser):
    """Answers a mistake by one line, as the commands themselves do."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with the code of a mistake."""
        text = message.rstrip('.').removeprefix('argument ')
        self.exit(2, f'Error: {text}. {self.prog} --help says what it takes.\n')


def command_module(name: str) -> ModuleType:
    """Import the module of a command; ``check-data`` and ``check_data`` are the same."""
    write_grammar_whole()
    return import_module(f'irbox.commands.{name.replace("-", "_")}')


def command_parser(name: str, prog: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of one command."""
    module = command_module(name)
    text = getattr(module, 'DESCRIPTION', None) or f'{COMMANDS[name].capitalize()}.'
    parser = _Parser(
        prog=prog,
        description=text,
        epilog=getattr(module, 'EXAMPLES', None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def tool(name: str, prog: str | None = None) -> Main:
    """Give the main function of a command: it reads arguments, runs, and gives an exit code."""

    def main(arguments: Sequence[str] | None = None) -> int | None:
        parser = command_parser(name, prog)
        args = parser.parse_args(arguments)
        check_written_files(parser, args)
        code: int | None = command_module(name).run(args)
        return code

    main.__doc__ = f'{COMMANDS[name].capitalize()}.'
    return main


def run_as_tool(name: str) -> None:
    """Run a command as the program ``tools/NAME.py``, see ``run_tool``."""
    from irbox.config.command_line import run_tool

    interrupted = getattr(command_module(name), 'INTERRUPTED', 'Interrupted.')
    run_tool(partial(tool(name), None), interrupted)


def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command that the first argument names."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (['--version'], ['-V']):
        print(f'irbox {irbox.__version__}')
        return None
    if not given or given[0] in ('-h', '--help', 'help'):
        print(overview())
        return None if given else 2
    name = given[0].replace('_', '-')
    if name not in COMMANDS:
        from irbox.registry import suggest

        if Path(given[0]).exists():
            raise ValueError(
                f'irbox has no command {given[0]!r}; to restore it: irbox restore {given[0]}'
            )
        raise ValueError(f'irbox has no command {given[0]!r}. {suggest(name, COMMANDS)}')
    return tool(name, f'irbox {name}')(given[1:])


def overview() -> str:
    """List the commands."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f'  {name:{width}}{text}' for name, text in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: irbox COMMAND ...   (irbox COMMAND --help says what it takes)',
            '',
            *lines,
            '',
            'irbox --version prints the version.',
        ]
    )


def entry_point() -> None:
    """Run as a program: mistakes are one message, and the exit code says what became of it."""
    from irbox.config.command_line import run_tool

    name = sys.argv[1].replace('_', '-') if len(sys.argv) > 1 else ''
    module = command_module(name) if name in COMMANDS else None
    run_tool(main, getattr(module, 'INTERRUPTED', 'Interrupted.'))
