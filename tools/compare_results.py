"""Compare two checkpoints image by image: ``python tools/compare_results.py A.csv B.csv``."""

from irbox.commands import run_as_tool, tool

main = tool('compare-results')

if __name__ == '__main__':
    run_as_tool('compare-results')
