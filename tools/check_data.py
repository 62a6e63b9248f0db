"""Check the data of a config: ``python tools/check_data.py configs/m2restore_allweather.py``."""

from irbox.commands import run_as_tool, tool

main = tool('check-data')

if __name__ == '__main__':
    run_as_tool('check-data')
