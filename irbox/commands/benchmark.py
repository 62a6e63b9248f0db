"""``irbox benchmark``: time, memory and equality of networks, beside what one would run instead."""

from __future__ import annotations

import argparse

from irbox.commands.written_files import written_file
from irbox.config.command_line import add_config_options, whole_number, width_by_height

DESCRIPTION = (
    'Measure networks with random weights beside textbook builds, another checkout and other '
    'runtimes, taken in turn, and check that all give the same.'
)
EXAMPLES = """examples:
  irbox benchmark configs/m2restore_allweather.py --textbook --size 224x224 480x720
  irbox benchmark configs/_base_/models/m2ir.yaml --against ../other-checkout --threads 1 2
  irbox benchmark configs/_base_/models/unet.yaml --task train --size 128x128 --batch 2 --textbook
  irbox benchmark configs/_base_/models/m2ir.yaml --device cuda --precision bf16 --mode captured
  irbox benchmark configs/_base_/models/m2ir.yaml --launches
  irbox benchmark configs/_base_/models/m2ir.yaml --profile --textbook
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('configs', nargs='+', help='.py or .yaml configs, those of plug-ins too')
    what = parser.add_argument_group('what is compared')
    what.add_argument(
        '--mode',
        nargs='+',
        choices=['eager', 'captured', 'compiled', 'exported'],
        default=['eager'],
        help='how ours runs (default: eager; captured: as a CUDA graph, as images are restored on '
        'a GPU, or as a training step is taken with capture_steps); the first that runs is what '
        'the others are compared with',
    )
    what.add_argument('--textbook', action='store_true', help='add the textbook build')
    what.add_argument(
        '--against', nargs='+', default=[], metavar='PATH', help='add other checkouts of irbox'
    )
    what.add_argument(
        '--runtime',
        nargs='+',
        choices=['onnxruntime', 'openvino'],
        default=[],
        help='add the textbook build, exported, in these runtimes',
    )
    what.add_argument(
        '--keep-memory',
        action='store_true',
        help='add ours once more with freed memory kept (glibc), see irbox.utils.keep_memory',
    )
    what.add_argument(
        '--loop-scan',
        action='store_true',
        help='let textbook builds scan in a loop of Python, not by the operator of the package',
    )
    how = parser.add_argument_group('how (each takes several; every combination is run)')
    how.add_argument(
        '--size',
        nargs='+',
        type=width_by_height,
        default=[(224, 224)],
        metavar='WxH',
        help='width and height of the images (default: 224x224)',
    )
    how.add_argument('--batch', nargs='+', type=whole_number, default=[1], help='default: 1')
    how.add_argument('--threads', nargs='+', type=whole_number, default=[1], help='default: 1')
    how.add_argument('--precision', nargs='+', choices=['fp32', 'bf16'], default=['fp32'])
    how.add_argument(
        '--device', nargs='+', help='default: cpu; for --launches meta, which needs no time'
    )
    how.add_argument('--task', nargs='+', choices=['forward', 'train'], default=['forward'])
    parser.add_argument(
        '--rounds', type=whole_number, default=5, help='runs of each (default: %(default)s)'
    )
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: seconds of the processor, steadier where others use the machine',
    )
    parser.add_argument(
        '--keep-prior',
        action='store_true',
        help='run DA-CLIP, which needs its file, instead of a stand-in of its sizes',
    )
    other = parser.add_argument_group('instead of times')
    other.add_argument(
        '--launches',
        action='store_true',
        help='count the kernels that a forward pass (with --task train both passes) launches, and '
        'their bytes, without a device',
    )
    other.add_argument(
        '--profile', action='store_true', help='print where the time of a forward pass goes'
    )
    parser.add_argument(
        '--json', type=written_file, metavar='FILE', help='write everything that was measured'
    )
    parser.add_argument('--plot', type=written_file, metavar='FILE.png', help='draw the times')
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Measure and print."""
    from irbox.benchmark.run import run as measure

    measure(args)
