"""``irbox benchmark-restoring``: what tiles, files and large pictures cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from irbox.commands.model_options import add_offline
from irbox.commands.written_files import written_file
from irbox.config.command_line import whole_number

if TYPE_CHECKING:
    from irbox.restore.restoration_model import RestorationModel

DESCRIPTION = """Measure how a model restores pictures, on photographs of installed packages.

seams   how large the steps at the edges of tiles are, and how far tiles move the answer
speed   the seconds of `irbox restore` on JPEG files beside a bare loop over the network
memory  the most that the process holds while it restores tiles of a large JPEG file (Linux)"""
EXAMPLES = """examples:
  irbox benchmark-restoring seams final.pth --figure seams.jpg
  irbox benchmark-restoring speed final.pth --threads 1
  irbox benchmark-restoring memory m2ir_5d --tiles 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('what', choices=('seams', 'speed', 'memory'), help='what to measure')
    parser.add_argument(
        'model',
        help='what `irbox restore --model` takes, or a config: its network with random weights',
    )
    parser.add_argument(
        '--threads', type=whole_number, default=1, help='of the processor (default: %(default)s)'
    )
    add_offline(parser)
    seams = parser.add_argument_group('seams')
    seams.add_argument(
        '--side',
        type=whole_number,
        default=288,
        help='of the pictures, at most 300, the height of one (default: %(default)s)',
    )
    seams.add_argument(
        '--tile', type=whole_number, default=128, help='of the tiles (default: %(default)s)'
    )
    seams.add_argument(
        '--overlap',
        type=int,
        nargs='+',
        default=[0, 32],
        help='that neighbors share (default: 0 32)',
    )
    seams.add_argument('--figure', type=written_file, metavar='FILE', help='draw what was restored')
    speed = parser.add_argument_group('speed')
    speed.add_argument('--files', type=whole_number, default=20, help='default: %(default)s')
    speed.add_argument(
        '--rounds',
        type=whole_number,
        default=3,
        help='medians are of so many (default: %(default)s)',
    )
    memory = parser.add_argument_group('memory')
    memory.add_argument(
        '--megapixels', type=whole_number, default=24, help='of the file (default: %(default)s)'
    )
    memory.add_argument(
        '--tiles',
        type=whole_number,
        default=8,
        help='restored of it; the others pass through as they are (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print the table."""
    import torch

    from irbox.commands import restoring_memory, restoring_seams, restoring_speed

    torch.set_num_threads(args.threads)
    model = open_model(args.model, args.offline)
    if args.what == 'seams':
        restoring_seams.run(model, args.side, args.tile, args.overlap, args.figure)
    elif args.what == 'speed':
        restoring_speed.run(model, args.files, args.rounds)
    else:
        restoring_memory.run(model, args.megapixels, args.tiles)


def open_model(what: str, offline: bool = False) -> RestorationModel:
    """Load a model, or build the network of a config with random weights."""
    from irbox.config.load_config import check_sections, load_config
    from irbox.engine.network import build_network
    from irbox.restore.known_models import KNOWN
    from irbox.restore.load import load
    from irbox.restore.model_card import ModelCard
    from irbox.restore.restoration_model import RestorationModel
    from irbox.restore.shipped import SHIPPED
    from irbox.utils.download import is_address

    path = Path(what)
    named = what in SHIPPED or what in KNOWN or is_address(what)
    if named or path.is_dir() or path.suffix not in ('', '.py', '.yaml', '.yml'):
        return load(what, offline=offline)
    read = load_config(what, sections=['model'])
    check_sections(read, 'model')
    config = read.to_dict()
    prior = config['model']['network'].get('prior')
    if prior and prior['type'] == 'DACLIPPrior':
        prior |= {'checkpoint': None, 'allow_random': True}
    network = build_network(config).eval().requires_grad_(False)
    return RestorationModel(network, config, ModelCard(path.stem), 'random weights')
