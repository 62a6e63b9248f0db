"""Pack a config's training images into shards: ``python tools/pack_data.py CONFIG packed``."""

from irbox.commands import run_as_tool, tool

main = tool('pack-data')

if __name__ == '__main__':
    run_as_tool('pack-data')
