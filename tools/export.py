"""Write a model as a file that other programs run: ``python tools/export.py MODEL OUT.onnx``."""

from irbox.commands import run_as_tool, tool

main = tool('export')

if __name__ == '__main__':
    run_as_tool('export')
