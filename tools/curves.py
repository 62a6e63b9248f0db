"""Plot what trainings logged over each other: ``python tools/curves.py RUN...``."""

from irbox.commands import run_as_tool, tool

main = tool('curves')

if __name__ == '__main__':
    run_as_tool('curves')
