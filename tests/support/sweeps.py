"""Sweeps and searches by the command, in this process, with tools that stand in."""

import runpy

import irbox.commands.sweep
from irbox.config.command_line import run_tool
from support.paths import ROOT


def run_sweep(tools, *arguments):
    """Run the tool on ``train.py`` and ``test.py`` of a folder; gives its exit code."""
    main = runpy.run_path(str(ROOT / 'tools/sweep.py'))['main']
    before, irbox.commands.sweep.TOOLS = irbox.commands.sweep.TOOLS, tools
    try:
        run_tool(lambda: main([str(argument) for argument in arguments]))
    except SystemExit as leaving:
        return leaving.code
    finally:
        irbox.commands.sweep.TOOLS = before
    return 0
