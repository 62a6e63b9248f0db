"""Convert published weights: ``python tools/convert_checkpoint.py daclip IN OUT``."""

from irbox.commands import run_as_tool, tool

main = tool('convert-checkpoint')

if __name__ == '__main__':
    run_as_tool('convert-checkpoint')
