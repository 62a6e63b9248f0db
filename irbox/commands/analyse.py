"""``irbox analyse``: the papers' analyses and figures, for any config and checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from irbox.commands.model_options import add_offline
from irbox.config.command_line import (
    add_config_options,
    box_in_pixels,
    whole_number,
    width_by_height,
)

DESCRIPTION = (
    'Make the analyses of the papers for any config and checkpoint. Each writes its figure (PNG, '
    'PDF, SVG), its numbers (CSV, JSON) and provenance.json, the command, versions, seeds and '
    'digests, into one folder.'
)
EXAMPLES = """examples:
  irbox analyse routing CONFIG CHECKPOINT --labels rain snow haze
  irbox analyse gates CONFIG CHECKPOINT --data configs/_base_/datasets/whole_photographs.yaml
  irbox analyse features m2ir_demo m2ir.pth --beside restormer_demo restormer.pth
  irbox analyse compare CONFIG CHECKPOINT --method other=other.pth --method theirs=restored/
  irbox analyse cost configs/m2ir_5d.py configs/plugins/adair.yaml --published m2ir_13
  irbox analyse summary work_dirs/a/table.json work_dirs/b/table.json
"""
ANALYSES = {
    'gates': 'gate maps of degraded images and of their clean partners',
    'features': 'whether the encoder tells degradations apart: PCA, t-SNE, silhouette',
    'routing': 'which experts images go to: clusters, shares, balance, maps',
    'prior': "the prior's beliefs against the labels, and how well it is calibrated",
    'frequency': 'the bands of frequency blocks, and where the low one is empty',
    'compare': 'several methods beside each other: figures with enlarged crops, a page of sliders',
    'cost': 'parameters, multiply-accumulates, latency and memory of several configs',
    'summary': 'bars and a radar of tables that irbox test wrote',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    commands = parser.add_subparsers(dest='what', required=True, metavar='WHAT')
    made = {}
    for name, text in ANALYSES.items():
        made[name] = commands.add_parser(name, help=text, description=f'{text.capitalize()}.')
        made[name].add_argument(
            '--out', type=Path, help=f'folder to write into (default: work_dirs/analyses/{name})'
        )
    for name in ('gates', 'features', 'routing', 'prior', 'frequency', 'compare'):
        _add_model(made[name])
    _add_gates(made['gates'])
    for name in ('features', 'routing'):
        _add_projection(made[name])
    made['features'].add_argument(
        '--beside',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='another network in the same figure',
    )
    made['frequency'].add_argument(
        '--sides',
        nargs='+',
        type=whole_number,
        default=[128, 512],
        help='sides of the square images in pixels (default: 128 512)',
    )
    _add_compare(made['compare'])
    _add_cost(made['cost'])
    made['summary'].add_argument(
        'tables', nargs='+', type=Path, metavar='TABLE', help='table.json, or the folder it is in'
    )
    made['summary'].add_argument('--score', default='psnr', help='which score (default: psnr)')


def run(args: argparse.Namespace) -> None:
    """Analyze."""
    # Only now: --help should not wait for torch.
    from irbox.commands.run_analysis import run_analysis

    run_analysis(args)


def _add_model(parser: argparse.ArgumentParser) -> None:
    # As many as the paper's t-SNE shows of each; a figure of several methods shows one.
    images = {'routing': 50, 'compare': 1}.get(parser.prog.rpartition(' ')[2], 6)
    parser.add_argument('config', help='the config that the checkpoint was trained with')
    parser.add_argument('checkpoint', type=Path, help='such as work_dirs/CONFIG/final.pth')
    parser.add_argument(
        '--data',
        metavar='CONFIG',
        help='a config whose test images are taken, or those of its validation where it has none '
        '(default: the first config)',
    )
    parser.add_argument(
        '--labels', nargs='+', default=[], help='degradations, in this order (default: all)'
    )
    parser.add_argument(
        '--images',
        type=whole_number,
        default=images,
        help='images of each degradation, evenly spread over those there are '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--crop',
        type=whole_number,
        metavar='PIXELS',
        help='cut the middle of the images, at most so large, out',
    )
    parser.add_argument('--device', default='auto', help='where it runs (default: auto)')
    parser.add_argument('--seed', type=int, default=0, help='of the data, where they draw (0)')
    add_config_options(parser)


def _add_gates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--places',
        nargs='+',
        default=[],
        metavar='PLACE',
        help='what the names of the blocks begin with, such as encoder (default: all)',
    )
    parser.add_argument(
        '--channels', nargs='+', type=int, default=[], help='channels to show besides the mean'
    )
    parser.add_argument(
        '--sheets', type=int, help='so many images of each degradation get a sheet (default: all)'
    )


def _add_projection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--perplexity', type=whole_number, default=30, help='of t-SNE (default: 30)'
    )
    parser.add_argument(
        '--random-starts',
        type=int,
        default=5,
        help='projections that start at random, for the spread of the silhouette (default: 5)',
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--method',
        action='append',
        default=[],
        metavar='NAME=PATH',
        help='another method: what irbox restore --model takes, or a folder of images that irbox '
        'test --out wrote',
    )
    add_offline(parser)
    parser.add_argument('--name', help='of the first method (default: its checkpoint)')
    parser.add_argument('--protocol', default='aio', help='of the scores (default: aio)')
    parser.add_argument(
        '--box',
        type=box_in_pixels,
        metavar='X,Y,W,H',
        help='what is enlarged (default: where the methods differ most)',
    )
    parser.add_argument('--box-side', type=whole_number, help='of a box that is found, in pixels')


def _add_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('configs', nargs='+', help='.py or .yaml configs, those of plug-ins too')
    parser.add_argument(
        '--size', type=width_by_height, default=(720, 480), metavar='WxH', help='720x480'
    )
    parser.add_argument(
        '--rounds',
        type=int,
        default=5,
        help='timed runs of each, after one that warms up; 0 counts only (default: 5)',
    )
    parser.add_argument('--threads', type=whole_number, default=1, help='of the CPU (default: 1)')
    parser.add_argument('--device', default='cpu', help='where they run (default: cpu)')
    parser.add_argument('--precision', choices=['fp32', 'bf16'], default='fp32')
    parser.add_argument(
        '--published',
        nargs='+',
        default=[],
        choices=['m2ir_13', 'm2restore_3'],
        help='published tables to set beside ours, marked as published',
    )
    add_config_options(parser)
