"""``irbox save-model``: a checkpoint as a folder for others to use."""

from __future__ import annotations

import argparse
from pathlib import Path

from irbox.commands.model_options import add_model_options

DESCRIPTION = """Write a model as a folder in the layout of the Hugging Face hub.

The folder holds config.json, model.safetensors and README.md; `irbox restore --model FOLDER` and
irbox.load('FOLDER') take it. What the options do not say of the model stays as it was."""
EXAMPLES = """examples:
  irbox save-model work_dirs/m2restore_demo/final.pth m2restore_demo --licence CC0-1.0
  irbox save-model final.pth small --name small --tasks rain snow --dtype float16
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('model', help='as for irbox restore')
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='new, or of a model')
    add_model_options(parser)
    parser.add_argument('--name', help='what the model is called')
    parser.add_argument('--licence', help='of the weights, an SPDX identifier such as CC-BY-4.0')
    parser.add_argument('--tasks', nargs='+', help='degradations that it removes')
    parser.add_argument('--trained-on', metavar='TEXT', help='what pictures, and whose')
    parser.add_argument(
        '--dtype',
        choices=('float32', 'float16', 'bfloat16'),
        default='float32',
        help='of the weights in the file (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Load the model, and write it."""
    from dataclasses import replace

    import torch

    from irbox.restore.hub_folder import WEIGHTS
    from irbox.restore.load import load

    what = (args.config, args.model) if args.config else args.model
    model = load(what, 'cpu', 'fp32', args.trust, args.offline)
    told = {key: getattr(args, key) for key in ('name', 'licence', 'tasks', 'trained_on')}
    model.card = replace(model.card, **{key: value for key, value in told.items() if value})
    folder = model.save(args.folder, getattr(torch, args.dtype))
    size = (folder / WEIGHTS).stat().st_size / 1e6
    print(f'{folder}: {model.name}, {model.parameters:,} parameters, {size:.2f} MB')
