"""Train the rows of a table: ``python tools/sweep.py configs/ablations/m2ir/table_vii.yaml``."""

from irbox.commands import run_as_tool, tool

main = tool('sweep')

if __name__ == '__main__':
    run_as_tool('sweep')
