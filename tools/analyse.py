"""Make the papers' analyses: ``python tools/analyse.py WHAT CONFIG CHECKPOINT``."""

from irbox.commands import run_as_tool, tool

main = tool('analyse')

if __name__ == '__main__':
    run_as_tool('analyse')
