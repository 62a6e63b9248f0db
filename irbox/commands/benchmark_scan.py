"""``irbox benchmark-scan``: time and memory of Mamba's scan."""

from __future__ import annotations

import argparse

from irbox.config.command_line import whole_number

DESCRIPTION = 'Measure time and memory of the selective scan, beside a plain loop.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        '--batch', type=whole_number, default=1, help='sequences (default: %(default)s)'
    )
    parser.add_argument(
        '--dim', type=whole_number, default=768, help='inner channels (768 in M2Restore)'
    )
    parser.add_argument(
        '--state', type=whole_number, default=16, help='size of the state of a channel'
    )
    parser.add_argument('--length', type=whole_number, default=784, help='steps for the times')
    parser.add_argument(
        '--memory-length', type=whole_number, default=5400, help='steps for the memory'
    )
    parser.add_argument(
        '--repeats', type=whole_number, default=7, help='the medians are of so many runs'
    )
    parser.add_argument(
        '--threads', type=whole_number, help='of the CPU; as many as torch takes by default'
    )
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu', help='where it runs')


def run(args: argparse.Namespace) -> None:
    """Measure and print the table."""
    from irbox.commands.scan_speed import run as measure

    measure(args)
