"""``irbox consolidate``: a checkpoint that several processes wrote, as one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from irbox.commands.written_files import written_file

DESCRIPTION = """Put a checkpoint of a training with `strategy: fsdp2` (iter_N.pth and the folder
iter_N.shards beside it) into one file.

The file resumes, tests and restores like any other. --weights leaves out what only a training
needs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('checkpoint', type=Path, help='iter_N.pth, its shards beside it')
    parser.add_argument('output', type=written_file, help='a name that ends in .pth')
    parser.add_argument('--weights', action='store_true', help='the weights and meta only')


def run(args: argparse.Namespace) -> int:
    """Write the file; gives the exit code."""
    from irbox.engine.checkpoint import read_checkpoint, write_checkpoint
    from irbox.utils.console import console

    if args.output.suffix != '.pth':
        raise ValueError(f'{args.output}: the name must end in .pth.')
    content = read_checkpoint(args.checkpoint)
    if args.weights:
        content = {key: content[key] for key in ('meta', 'state_dict') if key in content}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(content, args.output)
    console().print(f'{args.output}: {len(content["state_dict"])} tensors of weights, whole.')
    return 0
