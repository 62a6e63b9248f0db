"""``irbox benchmark-loading``: how fast training crops are read."""

from __future__ import annotations

import argparse

from irbox.config.command_line import whole_number

DESCRIPTION = """Time how fast training crops are read from pairs of files, beside a bare loop.

Seconds are those that the reading process has on a processor: on a machine that is busy with
something else, the shares stay what they are. The files are in memory, as far as it suffices."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        '--patch', type=whole_number, default=128, help='crops (default: %(default)s)'
    )
    parser.add_argument(
        '--augment',
        choices=('none', 'flips', 'dihedral', 'dihedral_moved'),
        default='dihedral',
        help='what is done to crops',
    )
    parser.add_argument(
        '--images', type=whole_number, default=24, help='pairs of files of each kind'
    )
    parser.add_argument(
        '--rounds', type=whole_number, default=7, help='the medians are of so many rounds'
    )
    parser.add_argument(
        '--batches', type=whole_number, default=6, help='batches of 8 pairs in a turn'
    )
    parser.add_argument(
        '--pairs',
        type=whole_number,
        metavar='N',
        help='instead: seconds to the first sample, and memory, of so many pairs, as files and as '
        'shards; in seconds of the clock',
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print the table."""
    if args.pairs:
        from irbox.commands.loading_many import run as measure
    else:
        from irbox.commands.loading_speed import run as measure

    measure(args)
