"""``python -m irbox`` is the command ``irbox``."""

from irbox.commands.main import entry_point

if __name__ == '__main__':
    entry_point()
