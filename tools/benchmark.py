"""Compare networks: ``python tools/benchmark.py configs/_base_/models/m2ir.yaml --textbook``."""

from irbox.commands import run_as_tool, tool

main = tool('benchmark')

if __name__ == '__main__':
    run_as_tool('benchmark')
