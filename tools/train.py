"""Train what a config describes: ``python tools/train.py configs/m2restore_demo.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irbox.config.command_line import add_config_options, run_tool


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train what a config describes.')
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
        choices=('none', 'pytorch'),
        help='pytorch: one of several processes started by torchrun',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='build everything, train one iteration, print what would be trained, write nothing',
    )
    add_config_options(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train."""
    args = parse(arguments)
    # Only now: --help should not wait for torch.
    from irbox.config.load_config import load_config
    from irbox.engine import compat
    from irbox.engine.train import dry_run, find_checkpoint, train

    options: dict[str, Any] = {
        'work_dir': str(args.work_dir) if args.work_dir else None,
        'amp': args.amp,
        'launcher': args.launcher,
    }
    given = {key: value for key, value in options.items() if value is not None}
    compat.init()
    config = load_config(args.config, args.cfg_options | given)
    compat.set_up_processes(config.get('launcher') or 'none')
    if args.dry_run:
        dry_run(config, args.seed)
    else:
        train(config, args.seed, find_checkpoint(config, args.resume))
    compat.leave_processes()


if __name__ == '__main__':
    run_tool(main, interrupted='Interrupted. Add --resume to continue.')
