"""The command ``irbox``: each tool by its name, with or without a checkout."""

from irbox.commands.main import COMMANDS, main, tool

__all__ = ['COMMANDS', 'main', 'tool']
