"""Print what a config's network is made of: ``python tools/describe.py configs/m2ir_5d.py``."""

from irbox.commands import run_as_tool, tool

main = tool('describe')

if __name__ == '__main__':
    run_as_tool('describe')
