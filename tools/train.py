"""Train what a config describes: ``python tools/train.py configs/m2restore_demo.py``."""

from irbox.commands import run_as_tool, tool

main = tool('train')

if __name__ == '__main__':
    run_as_tool('train')
