"""The command ``irbox``: each tool by its name, with or without a checkout."""

from irbox.commands.main import COMMANDS, main, run_as_tool, tool

__all__ = ['COMMANDS', 'main', 'run_as_tool', 'tool']
