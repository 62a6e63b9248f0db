"""List what a config can name: ``python tools/list_parts.py --kind blocks``."""

from irbox.commands import run_as_tool, tool

main = tool('list-parts')

if __name__ == '__main__':
    run_as_tool('list-parts')
