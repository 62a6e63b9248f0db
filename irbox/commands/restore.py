"""``irbox restore``: photographs restored, files, folders and whole trees."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from irbox.commands.model_options import add_model_options
from irbox.commands.written_files import written_file

DESCRIPTION = 'Restore photographs. Nothing is written over, and nothing of a picture is lost.'
EXAMPLES = """examples:
  irbox restore photo.jpg                              writes photo_restored.jpg beside it
  irbox restore photos --out better --recursive        a whole tree, into a tree of its own
  irbox restore '*.png' --model final.pth --compare    with a sheet of before and after
  irbox restore photo.jpg --task rain --strength 0.7   told what is wrong, and not all the way
  cat a.jpg | irbox restore - > b.jpg

exit code: 0 all restored, 1 some failed or were not begun, 2 nothing could be done
"""


def _pixels(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is no number of pixels, 0 or more')
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number from 1')
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 0 (as it was) to 1')
    return share


def _percent(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number from 1 to 100')
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        'inputs', nargs='+', metavar='IN', help='files, folders, patterns, or - for standard input'
    )
    _add_places(parser.add_argument_group('where answers go'))
    _add_models(parser.add_argument_group('model and machine'))
    _add_cluster(parser.add_argument_group('on many machines (extra ray)'))
    _add_steering(parser.add_argument_group('how much, where, and of what'))
    _add_files(parser.add_argument_group('files that are written'))


def _add_places(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--out',
        metavar='PATH',
        help='a folder, a file for a single picture, or - for standard output; beside each picture '
        'by default',
    )
    group.add_argument('--suffix', metavar='S', help='behind each name; _restored without --out')
    group.add_argument(
        '--recursive', action='store_true', help='enter the folders inside of folders'
    )
    existing = group.add_mutually_exclusive_group()
    existing.add_argument('--overwrite', action='store_true', help='replace files that exist')
    existing.add_argument('--skip-existing', action='store_true', help='keep files that exist')
    group.add_argument(
        '--done-list',
        type=written_file,
        metavar='FILE',
        help='note what is done, and go on from there after a kill; several processes share it',
    )
    group.add_argument('--dry-run', action='store_true', help='say what would be done and take')


def _add_models(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--model',
        metavar='NAME|PATH',
        help='a checkpoint, a folder of config.json and model.safetensors, an address, or a name '
        'that irbox models lists; several, with commas, give a labelled sheet',
    )
    add_model_options(group)
    group.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, mps, xpu')
    group.add_argument(
        '--precision',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
        help='auto: bf16 where the machine multiplies it and the model was checked in it',
    )
    group.add_argument(
        '--runtime',
        choices=('torch', 'onnxruntime', 'openvino', 'auto'),
        default='torch',
        help='what computes on a CPU (torch); auto: the fastest that is installed and gives the '
        'same, tried once',
    )
    group.add_argument(
        '--tile', help='auto, none, or the largest side in pixels (auto: what memory holds)'
    )
    group.add_argument('--overlap', type=_pixels, metavar='N', help='pixels that tiles share (32)')
    group.add_argument('--max-memory', metavar='SIZE', help='at most this, such as 3G')
    group.add_argument(
        '--self-ensemble',
        action='store_true',
        default=None,
        help='the mean over eight flips and turns: eight times the time',
    )


def _add_cluster(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--ray',
        action='store_true',
        help='decode, restore and encode on a Ray cluster, or on this machine as one; IN may be '
        'addresses, .tar archives and .parquet lists, too',
    )
    group.add_argument('--address', help='of a cluster that runs, such as auto')
    group.add_argument('--workers', type=_number, metavar='N', help='processes that hold the model')
    group.add_argument(
        '--cpus-per-worker', type=_number, default=1, metavar='N', help='processors of each (1)'
    )
    group.add_argument(
        '--gpus-per-worker', type=float, default=0, metavar='N', help='0.5: two share one'
    )
    group.add_argument(
        '--batch', type=_number, default=1, metavar='N', help='small pictures of one size at once'
    )


def _add_steering(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--strength', type=_share, help='0 (as it was) to 1 (the default)')
    group.add_argument('--mask', type=Path, metavar='FILE', help='restore where it is white')
    group.add_argument(
        '--task',
        action='append',
        metavar='NAME[=WEIGHT]',
        help='what is wrong with the picture, in place of what the model believes; may be repeated',
    )
    group.add_argument(
        '--not', action='append', dest='not_', metavar='NAME', help='what is not wrong with it'
    )
    group.add_argument('--steer-mask', type=Path, metavar='FILE', help='where --task or --not hold')
    group.add_argument(
        '--like', type=Path, metavar='FILE', help='with the settings that FILE was made with'
    )


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--format', choices=('keep', 'png', 'jpg', 'webp', 'tiff'))
    group.add_argument('--quality', type=_percent, metavar='N', help='1 to 100, of JPEG and WebP')
    group.add_argument(
        '--strip', choices=('gps', 'all'), help='leave the position out, or all but the colours'
    )
    group.add_argument(
        '--no-record', action='store_true', help='do not write into the file how it was made'
    )
    group.add_argument(
        '--compare', action='store_true', help='also write degraded | restored | difference'
    )
    group.add_argument(
        '--clean',
        type=Path,
        metavar='PATH',
        help='the clean picture, or a folder of them by name, for --compare: with scores',
    )
    group.add_argument(
        '--report',
        type=written_file,
        metavar='FILE',
        help='write what was done and believed, as JSON or .parquet',
    )


def run(args: argparse.Namespace) -> int:
    """Restore pictures."""
    from irbox.restore.batch.restore_files import restore_files

    return restore_files(args)
