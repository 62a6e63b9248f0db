"""Time the reading of training data: ``python tools/benchmark_loading.py --rounds 9``."""

from irbox.commands import run_as_tool, tool

main = tool('benchmark-loading')

if __name__ == '__main__':
    run_as_tool('benchmark-loading')
