"""Work out a training on many GPUs: ``python tools/scale.py CONFIG --pairs 18069``."""

from irbox.commands import run_as_tool, tool

main = tool('scale')

if __name__ == '__main__':
    run_as_tool('scale')
