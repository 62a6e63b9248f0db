"""``irbox completion``: commands and options completed by the shell."""

from __future__ import annotations

import argparse

DESCRIPTION = 'Print a script that makes a shell complete the commands and their options.'
EXAMPLES = """examples:
  eval "$(irbox completion bash)"                       for this bash; put it into ~/.bashrc
  irbox completion zsh > ~/.zfunc/_irbox                for zsh, where ~/.zfunc is in fpath
  irbox completion tcsh > ~/.irbox_completion.tcsh      for tcsh
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('shell', choices=('bash', 'zsh', 'tcsh'))


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    from irbox.utils.optional import require

    shtab = require('shtab', package='shtab', needed_by='irbox completion')
    print(shtab.complete(_all_commands(), shell=args.shell))


def _all_commands() -> argparse.ArgumentParser:
    """One parser with every command below it."""
    from irbox.commands.main import COMMANDS, command_module

    whole = argparse.ArgumentParser(prog='irbox')
    whole.add_argument('--version', action='store_true')
    commands = whole.add_subparsers()
    for name, text in COMMANDS.items():
        command_module(name).add_arguments(commands.add_parser(name, help=text))
    return whole
