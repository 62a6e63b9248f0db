"""Put a sharded checkpoint into one file: ``python tools/consolidate.py iter_N.pth OUT.pth``."""

from irbox.commands import run_as_tool, tool

main = tool('consolidate')

if __name__ == '__main__':
    run_as_tool('consolidate')
