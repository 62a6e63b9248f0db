"""Score a checkpoint: ``python tools/test.py configs/m2restore_demo.py CHECKPOINT``."""

from irbox.commands import run_as_tool, tool

main = tool('test')

if __name__ == '__main__':
    run_as_tool('test')
