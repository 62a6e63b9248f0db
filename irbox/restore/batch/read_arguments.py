"""From the options of ``irbox restore`` to settings: what cannot be meant is refused."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irbox.pictures import CHOICES, format_by_name, format_of, read_record
from irbox.restore.batch.check_targets import place
from irbox.restore.batch.find_pictures import first_bytes
from irbox.restore.batch.job import STANDARD_STREAM, Job
from irbox.restore.batch.list_jobs import names_a_file
from irbox.restore.batch.settings import Settings, from_record
from irbox.restore.batch.write_report import is_report
from irbox.restore.memory import parse_memory
from irbox.restore.video import is_video
from irbox.utils.files import check_writable
from irbox.utils.optional import require

NO_NAME = (
    "--model '' names none: leave it out for the model that comes with irbox, or name a "
    'checkpoint, such as the final.pth of a training.'
)
OF_CLUSTER = {
    'address': None,
    'workers': None,
    'cpus_per_worker': 1,
    'gpus_per_worker': 0,
    'batch': 1,
}
"""Options that mean nothing without ``--ray``, and their defaults."""


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse options that name nothing or do not go together.

    Raises:
        ValueError, OSError: Says which, and what to do.
    """
    if args.clean is not None and not args.compare:
        raise ValueError('--clean is for the sheets of --compare: add it.')
    if args.clean is not None and not args.clean.exists():
        raise FileNotFoundError(f'--clean {args.clean} does not exist. Name a file or a folder.')
    for name in ('mask', 'steer_mask'):
        path = getattr(args, name)
        if path is not None and not path.is_file():
            raise FileNotFoundError(f'--{name.replace("_", "-")} {path}: there is no such file.')
    if args.task and args.not_:
        raise ValueError('Give one of --task and --not: the one replaces what the other changes.')
    if args.out == '':
        raise ValueError("--out '' names nothing. Give a folder, a file, or - .")
    for character in (os.sep, os.altsep, '\0'):
        if args.suffix and character and character in args.suffix:
            raise ValueError(
                f'--suffix {args.suffix!r} is put behind a name and cannot hold {character!r}. '
                'Use --out for another folder.'
            )
    if args.suffix and names_a_file(args.inputs, args.out):
        raise ValueError(f'--suffix {args.suffix!r}: --out {args.out} is the whole name already.')
    if args.max_memory is not None:
        parse_memory(args.max_memory)
    if not args.ray:
        _check_no_cluster(args)
    _check_streams(args)
    _check_sheet_of_models(args)


def _check_no_cluster(args: argparse.Namespace) -> None:
    for name, default in OF_CLUSTER.items():
        value = getattr(args, name)
        if value != default:
            raise ValueError(f'--{name.replace("_", "-")} {value} goes with --ray: add it.')


def _check_streams(args: argparse.Namespace) -> None:
    from_stream = list(args.inputs) == ['-']
    to_stream = args.out == '-' or (from_stream and args.out is None)
    if from_stream and sys.stdin is None:
        raise ValueError('The standard input is closed. Send a picture to it: < photo.jpg')
    if to_stream and args.compare:
        raise ValueError('--compare writes files and cannot go to standard output. Give --out.')
    if to_stream and not args.dry_run and sys.stdout is not None and sys.stdout.isatty():
        raise ValueError(
            'The picture would go to the terminal. Give --out FILE, or send standard output to a '
            'file: > restored.png'
        )
    if from_stream and args.out is not None and Path(args.out).is_dir():
        raise ValueError(
            f'--out {args.out} is a folder, and a picture from standard input has no name. '
            'Name a file in it.'
        )


def _check_sheet_of_models(args: argparse.Namespace) -> None:
    if args.model is not None and not args.model.strip():
        raise ValueError(NO_NAME)
    names = (args.model or '').split(',')
    if len(names) == 1:
        return
    if not all(name.strip() for name in names):
        raise ValueError(f'--model {args.model}: a name is missing beside a comma.')
    if args.config:
        raise ValueError(f'--config goes with one model, and --model {args.model} names several.')
    if args.compare:
        raise ValueError(f'--model {args.model} writes a sheet already: leave --compare out.')
    if args.format not in (None, 'keep', 'png'):
        raise ValueError(f'--format {args.format}: the sheet of several models is a PNG file.')


def read_settings(args: argparse.Namespace) -> Settings:
    """Give what was asked for, on top of what ``--like`` says.

    Raises:
        ValueError: A value is none, options do not go together, or a record is damaged.
    """
    given: dict[str, Any] = {}
    if args.like is not None:
        record = read_record(args.like)
        if record is None:
            raise ValueError(f'--like {args.like}: it has no record of how irbox made it.')
        given = from_record(record, args.like)
        # Of the other picture, whose size may differ.
        given.pop('tile', None)
        given.pop('overlap', None)
    asked = {
        'tile': _tile(args.tile),
        'overlap': args.overlap,
        'precision': args.precision,
        'strength': args.strength,
        'degradations': read_weights(args.task),
        'not_': tuple(args.not_) if args.not_ else None,
        'mask': args.mask,
        'steer_mask': args.steer_mask,
        'self_ensemble': args.self_ensemble,
        'max_memory': args.max_memory,
        'format': _format(args),
        'quality': args.quality,
        'strip': (args.strip,) if args.strip else None,
        'record': False if args.no_record else None,
    }
    settings = Settings(**given | {name: one for name, one in asked.items() if one is not None})
    settings.options()  # refuses what does not go together
    return settings


def _format(args: argparse.Namespace) -> str | None:
    """What is asked for by ``--format``, or by the name of the one file to write."""
    if not names_a_file(args.inputs, args.out):
        return args.format  # type: ignore[no-any-return]
    if is_video(args.inputs[0]):
        return None
    named = format_by_name(Path(args.out))
    several_models = ',' in (args.model or '')
    if several_models:
        written: str | None = 'PNG'
    elif args.format not in (None, 'keep'):
        written = CHOICES[args.format]
    elif named in CHOICES.values():
        return next(choice for choice, one in CHOICES.items() if one == named)
    else:
        written = None if args.inputs[0] == '-' else format_of(first_bytes(Path(args.inputs[0])))
    if named is None and args.inputs[0] != '-':
        raise ValueError(
            f'--out {args.out} is neither a folder that exists nor the name of a picture. Make the '
            'folder, or end the name as .png, .jpg, .webp or .tif.'
        )
    if None not in (named, written) and named != written:
        raise ValueError(
            f'--out {args.out} is named as {named}, and {written} would be written. Name it so, or '
            f'change --format: {", ".join(CHOICES)}.'
        )
    return args.format  # type: ignore[no-any-return]


def _tile(text: str | None) -> str | int | None:
    if text is None or text in ('auto', 'none'):
        return text
    if not text.isdecimal() or not int(text):
        raise ValueError(f'--tile {text}: give auto, none, or the largest side in pixels.')
    return int(text)


def read_weights(tasks: Sequence[str] | None) -> dict[str, float] | None:
    """Read ``rain`` and ``rain=0.7`` as weights; None where there are none.

    Raises:
        ValueError: A weight is no number from 0 up.
    """
    if not tasks:
        return None
    weights = {}
    for task in tasks:
        name, equals, text = task.partition('=')
        try:
            weights[name] = float(text) if equals else 1.0
        except ValueError:
            raise ValueError(f'--task {task}: write NAME or NAME=WEIGHT, as rain=0.7.') from None
        if not 0 <= weights[name] < math.inf:
            raise ValueError(f'--task {task}: a weight must be a number from 0 up, as rain=0.7.')
    return weights


def check_side_files(args: argparse.Namespace, jobs: Sequence[Job], done_list: Path | None) -> None:
    """Refuse a report or a list of what is done that would replace another file.

    Args:
        args: The options.
        jobs: All of a call.
        done_list: The file, where there is one.

    Raises:
        ValueError, OSError: It is an input, an answer, or holds something else.
        ImportError: What a report of its kind needs is not installed.
    """
    inputs = {place(job.source) for job in jobs if job.source != STANDARD_STREAM}
    inputs |= {place(path) for path in (args.mask, args.steer_mask, args.like) if path is not None}
    answers = {place(job.target) for job in jobs if job.target != STANDARD_STREAM}
    for option, path in (('--report', args.report), ('--done-list', done_list)):
        if path is None:
            continue
        for places, word in ((inputs, 'an input'), (answers, 'an answer')):
            if place(path) in places:
                raise ValueError(f'{option} {path} is {word} of this call. Give another name.')
        if path.is_dir():
            raise ValueError(f'{option} {path} is a folder. Name a file in it.')
        try:
            check_writable(path.parent)
        except PermissionError as error:
            raise PermissionError(f'{option} {path}: {error}') from error
    if args.report is None:
        return
    if done_list is not None and place(args.report) == place(done_list):
        raise ValueError(f'--report {args.report} is the file of --done-list. Give another name.')
    if args.report.suffix == '.parquet':
        require('pyarrow.parquet', package='pyarrow', needed_by=f'--report {args.report}')
    if args.report.exists() and not args.overwrite and not is_report(args.report):
        raise ValueError(
            f'--report {args.report} exists and is no report of this command. Give another name, '
            'or add --overwrite.'
        )
