"""``irbox test``: a checkpoint, scored."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from irbox.commands.written_files import written_file
from irbox.config.command_line import add_config_options
from irbox.utils.collector import collector_paused


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', type=Path, help='the config that the checkpoint was trained with')
    parser.add_argument(
        'checkpoint',
        type=Path,
        nargs='?',
        help='such as work_dirs/CONFIG/final.pth, or a file of M2Restore, PromptIR, AdaIR, MoCE-IR '
        "or Restormer as it was published; none where the config's network brings its own weights",
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='where results.json and table.{txt,csv,json,tex} are written; work_dirs/CONFIG by '
        'default',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FOLDER',
        help='write the restored images here, cut as the (first) protocol cuts them',
    )
    parser.add_argument(
        '--contact-sheet',
        type=written_file,
        metavar='FILE',
        help='write one picture with degraded, restored and clean images of each task',
    )
    parser.add_argument(
        '--per-image',
        type=written_file,
        metavar='FILE',
        help='write the scores of each image here, .csv or .parquet, and print the means with '
        'their 95 %% intervals; irbox compare-results compares two such files',
    )
    parser.add_argument(
        '--protocol',
        nargs='+',
        default=[],
        help="how to score, in place of the config's protocol; see docs/metrics.md",
    )
    parser.add_argument(
        '--layout',
        metavar='TABLE',
        help='take the columns and the average of a published table, such as m2ir_2, or of one of '
        'your own, such as my_table.yaml',
    )
    parser.add_argument(
        '--published',
        nargs='?',
        const='',
        metavar='TABLE',
        help='set the rows of a published table, or of one of your own in a .yaml file, beside the '
        'results, marked as published; without a name, of the table that has exactly the tasks of '
        'the test',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm'),
        help='one of several processes: pytorch, started by torchrun; slurm, by srun',
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Test."""
    if args.published and args.layout not in (None, args.published):
        raise ValueError(
            f'--published {args.published} brings its own columns: leave --layout {args.layout} '
            'away.'
        )
    with collector_paused():  # the Runner ends it while it tests
        _run(args)


def _run(args: argparse.Namespace) -> None:
    # Only now: --help should not wait for torch.
    from irbox.conversion.convert import PREFIX
    from irbox.conversion.published import as_ours
    from irbox.engine.running import running
    from irbox.engine.test import read_test_config, test

    options = {'work_dir': args.work_dir, 'launcher': args.launcher}
    with running(args.config, args.cfg_options, read_test_config, **options) as config:
        test(
            config,
            args.checkpoint,
            args.out,
            args.contact_sheet,
            args.protocol,
            layout=args.published or args.layout,
            published=args.published is not None,
            per_image=args.per_image,
            convert=partial(as_ours, prefix=PREFIX),
        )
