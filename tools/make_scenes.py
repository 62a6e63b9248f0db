"""Write a bank of generated scenes: ``python tools/make_scenes.py scenes --num 2000``."""

from irbox.commands import run_as_tool, tool

main = tool('make-scenes')

if __name__ == '__main__':
    run_as_tool('make-scenes')
