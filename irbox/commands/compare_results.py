"""``irbox compare-results``: two checkpoints on the same images."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from irbox.commands.written_files import written_file
from irbox.config.command_line import whole_number

DESCRIPTION = (
    'Compare two checkpoints by the scores of each image: means with their 95 % bootstrap '
    'intervals, the mean difference of the pairs with its interval, and a sign test.'
)
EXAMPLES = """examples:
  irbox test CONFIG A.pth --per-image a.csv
  irbox test CONFIG B.pth --per-image b.csv
  irbox compare-results a.csv b.csv
"""
WIDTH = 180
"""Columns of a table in a file, which hold a row in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('first', type=Path, metavar='A', help='what `irbox test --per-image` wrote')
    parser.add_argument('second', type=Path, metavar='B', help='the same of another checkpoint')
    parser.add_argument(
        '--scores', nargs='+', default=['psnr', 'ssim'], help='columns to compare; psnr ssim'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the bootstrap; 0')
    parser.add_argument(
        '--resamples', type=whole_number, default=9999, help='draws of the bootstrap; 9999'
    )
    parser.add_argument('--json', type=written_file, metavar='FILE', help='write all numbers here')


def run(args: argparse.Namespace) -> None:
    """Read both, compare, print."""
    # Only now: --help should not wait for torch.
    from irbox.evaluation.tables import compare_images, comparison_table, read_image_scores
    from irbox.utils.console import console
    from irbox.utils.files import write_text

    if args.seed < 0:
        raise ValueError(f'--seed {args.seed}: give a number of at least 0.')
    (first, what_a), (second, what_b) = map(read_image_scores, (args.first, args.second))
    found = compare_images(first, second, args.scores, resamples=args.resamples, seed=args.seed)
    terminal = console()
    if not terminal.is_terminal:
        terminal.width = max(terminal.width, WIDTH)  # a file has none of its own
    terminal.print(f'A: {args.first}, {what_a}\nB: {args.second}, {what_b}')
    terminal.print(comparison_table(found))
    terminal.print(
        'In brackets: 95 % bootstrap intervals over images (percentiles of '
        f'{args.resamples} draws, seed {args.seed}). p: sign test of the pairs, two-sided. Both '
        'say what other images would change, not what another training would.'
    )
    left_out = sorted({row.task for row in first} ^ {row.task for row in second})
    if left_out:
        terminal.print(f'In one of the two only: {", ".join(left_out)}.')
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        content = {'first': what_a, 'second': what_b, 'seed': args.seed}
        content |= {'resamples': args.resamples, 'comparisons': [one.content() for one in found]}
        write_text(args.json, json.dumps(content, indent=2, allow_nan=False) + '\n')
        terminal.print(f'Numbers: {args.json}')
