"""Draw what a config feeds its network: ``python tools/show_data.py configs/m2ir_demo.py``."""

from irbox.commands import run_as_tool, tool

main = tool('show-data')

if __name__ == '__main__':
    run_as_tool('show-data')
