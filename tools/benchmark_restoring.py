"""Measure how pictures are restored: ``python tools/benchmark_restoring.py seams final.pth``."""

from irbox.commands import run_as_tool, tool

main = tool('benchmark-restoring')

if __name__ == '__main__':
    run_as_tool('benchmark-restoring')
