"""``irbox train``: a config, trained."""

from __future__ import annotations

import argparse
from pathlib import Path

from irbox.config.command_line import add_config_options
from irbox.utils.collector import collector_paused

INTERRUPTED = 'Interrupted. Add --resume to continue.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', type=Path, help='a .py or .yaml file, such as those in configs/')
    parser.add_argument(
        '--work-dir', type=Path, help='where everything is written; work_dirs/CONFIG by default'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='continue from a checkpoint, or from the newest that can be read in the work dir',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bf16',
        choices=('bf16', 'fp16'),
        help='mixed precision: bf16 (default), or fp16 with a gradient scaler, on GPUs only',
    )
    parser.add_argument('--seed', type=int, help='of everything random; in the config by default')
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm'),
        help='one of several processes: pytorch, started by torchrun; slurm, by srun',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='build everything, train one iteration, print what would be trained, write nothing',
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Train; gives the exit code."""
    with collector_paused():  # the Runner ends it while it trains
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    # Only now: --help should not wait for torch.
    from irbox.engine.running import running
    from irbox.engine.train import dry_run, find_checkpoint, train

    options = {'work_dir': args.work_dir, 'amp': args.amp, 'launcher': args.launcher}
    with running(args.config, args.cfg_options, **options) as config:
        checkpoint = find_checkpoint(config, args.resume)
        if not args.dry_run:
            return train(config, args.seed, checkpoint)
        dry_run(config, args.seed, checkpoint)
    return 0
