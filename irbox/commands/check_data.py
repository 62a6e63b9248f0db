"""``irbox check-data``: what is wrong with the files of a config."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from irbox.commands.written_files import written_file
from irbox.config.command_line import add_config_options

DESCRIPTION = (
    'Check the files of all training, validation and test sets of a config: what is missing, '
    'unmatched, unreadable, of the wrong size, twice there, or in training and test.'
)
EXAMPLES = (
    """exit code: 0 all is well, 1 something was found, 2 a mistake in the command or the config"""
)
FINDINGS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', type=Path, help='a .py or .yaml config')
    parser.add_argument(
        '--deep',
        action='store_true',
        help='decode every image, and find copies by pixels; by default headers are read, and '
        'copies found by the bytes of their files',
    )
    parser.add_argument(
        '--json', type=written_file, metavar='FILE', help='write everything found here'
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check, print the report, and give its exit code."""
    # Only now: --help should not wait for torch.
    from mmengine.logging import MMLogger
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from irbox.config.load_config import load_config
    from irbox.data_check import check_data
    from irbox.data_check.checked_set import SECTIONS
    from irbox.engine import compat
    from irbox.utils.files import atomic_write

    compat.init()
    MMLogger.get_instance('check_data').setLevel('ERROR')  # the report says it all
    config = load_config(args.config, args.cfg_options, sections=SECTIONS)
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task('Looking for files', total=None)
        report = check_data(
            config,
            args.deep,
            lambda done, total: bar.update(
                task, description='Reading files', completed=done, total=total
            ),
        )
    # Not a terminal: as wide as it needs to be, so that nothing is cut in a log or a pipe.
    width = None if sys.stdout.isatty() else 160
    console = Console(highlight=False, markup=False, soft_wrap=True, width=width)
    if report.facts:
        console.print(report.table())
    for title, findings in (('Notes', report.notes), ('Findings', report.serious)):
        if findings:
            console.print(f'\n{title}')
        for finding in findings:
            console.print(f'* {finding.kind}: {finding.text()}')
    number = len(report.serious)
    console.print(
        f'\n{len(report.facts):,} files {"decoded" if args.deep else "read"}; '
        f'{number or "no"} finding{"" if number == 1 else "s"}.'
    )
    if args.json is None and any(finding.cut for finding in report.findings):
        console.print('--json FILE writes the whole lists of files.')
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        content = {'config': str(args.config)} | report.content()
        with atomic_write(args.json, 'w') as file:
            json.dump(content, file, indent=2)
    return FINDINGS if number else 0
