"""Time Mamba's selective scan: ``python tools/benchmark_scan.py --threads 2``."""

from irbox.commands import run_as_tool, tool

main = tool('benchmark-scan')

if __name__ == '__main__':
    run_as_tool('benchmark-scan')
