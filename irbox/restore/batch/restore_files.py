"""What ``irbox restore`` does, from its options to its exit code."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from irbox.pictures import SUFFIXES, read_record
from irbox.restore.batch.done_list import DoneList, shard
from irbox.restore.batch.estimate import check_disk, estimate
from irbox.restore.batch.job import STANDARD_STREAM, Job
from irbox.restore.batch.list_jobs import Existing, Listing, list_jobs
from irbox.restore.batch.picture_steps import PictureSteps
from irbox.restore.batch.progress import BatchProgress
from irbox.restore.batch.run_batch import finishing_on_interrupt, run_batch
from irbox.restore.batch.settings import Settings, from_record
from irbox.restore.batch.summary import exit_code, summary, write_report
from irbox.restore.load import load
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.shipped import default_model
from irbox.restore.video import is_video, restore_video

DEFAULT_DONE_LIST = '.irbox-done.jsonl'


def restore_files(args: argparse.Namespace) -> int:
    """Restore what the options name.

    Args:
        args: As ``irbox.commands.restore`` reads them.

    Returns:
        0 where all is done, 1 where some failed or were not begun, 2 where nothing was done.

    Raises:
        ValueError, OSError: Nothing was begun: an input does not exist, options do not go together,
            an answer would replace something.
    """
    _check(args)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    settings = _settings(args)
    films = [one for one in args.inputs if is_video(one)]
    if films:
        return _films(args, films, settings, console)
    rank, world = (int(os.environ.get(name, one)) for name, one in (('RANK', 0), ('WORLD_SIZE', 1)))
    if args.done_list is None and world == 1:
        # What needs no model is refused before it is loaded.
        _list(args, settings, None)
    models = _load_models(args, settings)
    done_list = _done_list(args, settings, models, world)
    listing = _list(args, settings, done_list)
    share = set(shard(listing.everything, rank, world))
    jobs = [job for job in listing.jobs if job in share]
    for note in listing.notes if rank == 0 else ():
        console.print(f'Note: {note}')
    if args.dry_run:
        console.print(estimate(jobs, listing.skipped + listing.done, models[0], settings))
        return 0
    check_disk(jobs, settings.format)
    skipped = [job for job in (*listing.skipped, *listing.done) if job in share]
    start = time.perf_counter()
    with (
        BatchProgress(len(jobs), console) as progress,
        finishing_on_interrupt(console.print) as stop,
    ):
        steps = PictureSteps(
            models,
            settings,
            overwrite=args.overwrite,
            compare=args.compare,
            clean=_clean_of(args.clean),
            done_list=done_list,
            progress=progress.share,
        )
        outcomes = run_batch(jobs, steps, progress.picture, stop)
    not_begun = len(jobs) - len(outcomes)
    seconds = time.perf_counter() - start
    console.print(summary(outcomes, len(skipped), not_begun, seconds))
    if args.report is not None:
        path = args.report.with_stem(f'{args.report.stem}_{rank}') if world > 1 else args.report
        write_report(path, outcomes, skipped, settings.repeated())
    return exit_code(outcomes, not_begun)


def _check(args: argparse.Namespace) -> None:
    if args.clean is not None and not args.compare:
        raise ValueError('--clean is for the sheets of --compare: add it.')
    if args.clean is not None and not args.clean.exists():
        raise FileNotFoundError(f'--clean {args.clean} does not exist.')
    for name in ('mask', 'steer_mask'):
        path = getattr(args, name)
        if path is not None and not path.is_file():
            raise FileNotFoundError(f'--{name.replace("_", "-")} {path}: there is no such file.')
    if args.quality is not None and not 1 <= args.quality <= 100:
        raise ValueError(f'--quality {args.quality} is out of range. Give 1 to 100.')
    if args.compare and str(args.out) == '-':
        raise ValueError('--compare writes files and cannot go to standard output.')


def _settings(args: argparse.Namespace) -> Settings:
    """What was asked for, on top of what ``--like`` says."""
    given: dict[str, Any] = {}
    if args.like is not None:
        record = read_record(args.like)
        if record is None:
            raise ValueError(f'--like {args.like}: it has no record of how irbox made it.')
        given = from_record(record)
        # Of the other picture, whose size may differ.
        given.pop('tile', None)
        given.pop('overlap', None)
    asked = {
        'tile': _tile(args.tile),
        'overlap': args.overlap,
        'precision': args.precision,
        'strength': args.strength,
        'degradations': _weights(args.task),
        'not_': tuple(args.not_) if args.not_ else None,
        'mask': args.mask,
        'steer_mask': args.steer_mask,
        'self_ensemble': args.self_ensemble,
        'max_memory': args.max_memory,
        'format': args.format,
        'quality': args.quality,
        'strip': (args.strip,) if args.strip else None,
        'record': False if args.no_record else None,
    }
    settings = Settings(**given | {name: one for name, one in asked.items() if one is not None})
    settings.options()  # refuses what does not go together
    return settings


def _tile(text: str | None) -> str | int | None:
    if text is None or text in ('auto', 'none'):
        return text
    if not text.isdigit() or not int(text):
        raise ValueError(f'--tile {text}: give auto, none, or the largest side in pixels.')
    return int(text)


def _weights(tasks: Sequence[str] | None) -> dict[str, float] | None:
    """``rain`` and ``rain=0.7`` to weights."""
    if not tasks:
        return None
    weights = {}
    for task in tasks:
        name, equals, text = task.partition('=')
        try:
            weights[name] = float(text) if equals else 1.0
        except ValueError:
            raise ValueError(f'--task {task}: write NAME or NAME=WEIGHT, as rain=0.7.') from None
    return weights


def _load_models(args: argparse.Namespace, settings: Settings) -> list[RestorationModel]:
    names = args.model.split(',') if args.model else [default_model()]
    if args.config and len(names) > 1:
        raise ValueError('--config goes with one model.')
    device = args.device
    if device in ('auto', 'cuda') and 'LOCAL_RANK' in os.environ:
        import torch

        device = f'cuda:{os.environ["LOCAL_RANK"]}' if torch.cuda.is_available() else device
    precision: Any = settings.precision
    return [
        load((args.config, name) if args.config else name, device, precision, args.trust)
        for name in names
    ]


def _list(args: argparse.Namespace, settings: Settings, done_list: DoneList | None) -> Listing:
    several = bool(args.model) and ',' in args.model
    return list_jobs(
        args.inputs,
        args.out,
        suffix='_models' if several and args.suffix is None and args.out is None else args.suffix,
        extension='.png' if several else _extension(settings.format),
        recursive=args.recursive,
        existing=_existing(args),
        extensions=frozenset(one for ends in SUFFIXES.values() for one in ends),
        done_list=done_list,
    )


def _existing(args: argparse.Namespace) -> Existing:
    if args.overwrite:
        return 'overwrite'
    return 'skip' if args.skip_existing else 'refuse'


def _extension(choice: str) -> str | None:
    return {'png': '.png', 'jpg': '.jpg', 'webp': '.webp', 'tiff': '.tif'}.get(choice)


def _done_list(
    args: argparse.Namespace, settings: Settings, models: Sequence[RestorationModel], world: int
) -> DoneList | None:
    path = args.done_list
    if path is None and world > 1:
        if args.out is None or Path(args.out).suffix:
            raise ValueError('Several processes need --out FOLDER, or --done-list FILE.')
        path = Path(args.out) / DEFAULT_DONE_LIST
    if path is None:
        return None
    digests = '-'.join(model.digest[:16] for model in models)
    return DoneList(path, f'{settings.digest()}-{digests}')


def _clean_of(clean: Path | None) -> Any:
    """From a source to its clean picture: the one, or the one of the same name in a folder."""

    def find(source: Path) -> Path | None:
        if clean is None or source == STANDARD_STREAM:
            return clean
        if clean.is_file():
            return clean
        same = sorted(clean.glob(f'{source.stem}.*'))
        return same[0] if same else None

    return find


def _films(
    args: argparse.Namespace, films: Sequence[str], settings: Settings, console: Console
) -> int:
    """Restore videos, one after the other."""
    others = [one for one in args.inputs if one not in films]
    if others:
        raise ValueError(f'Restore videos and pictures apart: {films[0]} and {others[0]}.')
    extensions = frozenset(Path(one).suffix.lower() for one in films)
    existing: Existing = (
        'overwrite' if args.overwrite else 'skip' if args.skip_existing else 'refuse'
    )
    listing = list_jobs(
        films, args.out, suffix=args.suffix, existing=existing, extensions=extensions
    )
    model = _load_models(args, settings)[0]
    for job in listing.jobs:
        _film(job, model, settings, console)
    return 0


def _film(job: Job, model: RestorationModel, settings: Settings, console: Console) -> None:
    frames, seconds = restore_video(job.source, job.target, model, settings.options())
    console.print(
        f'Restored {job.target}: {frames} frames in {seconds:.0f} s '
        f'({frames / max(seconds, 1e-9):.2g} a second).'
    )
