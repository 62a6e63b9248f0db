"""What ``irbox restore`` does, from its options to its exit code."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from rich.console import Console

from irbox.pictures import EXTENSIONS
from irbox.restore.batch.check_targets import Existing
from irbox.restore.batch.done_list import DEFAULT_DONE_LIST, DoneList, rank_and_number
from irbox.restore.batch.estimate import check_disk, estimate
from irbox.restore.batch.films import list_films, restore_films
from irbox.restore.batch.job import STANDARD_STREAM, Outcome
from irbox.restore.batch.list_jobs import Listing, list_jobs, names_a_file
from irbox.restore.batch.picture_steps import PictureSteps
from irbox.restore.batch.progress import BatchProgress
from irbox.restore.batch.read_arguments import check_arguments, check_side_files, read_settings
from irbox.restore.batch.reading_process import ReadingProcess
from irbox.restore.batch.run_batch import finishing_on_interrupt, run_batch
from irbox.restore.batch.settings import Settings
from irbox.restore.batch.summary import exit_code, summary
from irbox.restore.batch.write_report import open_report
from irbox.restore.load import load
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.shipped import default_model
from irbox.restore.steering import Steering
from irbox.utils.files import check_writable, remove_leftovers_of


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
    check_arguments(args)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    films = list_films(args, _existing(args))
    settings = read_settings(args)
    if films is not None:
        return _films(args, films, settings, console)
    if args.ray:
        from irbox.restore.cluster.restore_on_ray import restore_on_ray

        return restore_on_ray(args, settings, _existing(args), _extension(settings.format))
    rank, world = rank_and_number()
    done_path = _done_path(args, world)
    if done_path is None:
        # What needs no model is refused before it is loaded.
        _list(args, settings, None, (0, 1))
    models = _load_models(args, settings, console)
    done_list = _done_list(done_path, settings, models)
    listing = _list(args, settings, done_list, (rank, world))
    jobs, skipped = listing.jobs, [*listing.skipped, *listing.done]
    for note in listing.notes if rank == 0 else ():
        console.print(f'Note: {note}')
    if args.dry_run:
        console.print(estimate(jobs, skipped, models[0], settings))
        return 0
    check_disk(jobs, settings.format)
    for job in jobs if done_list is not None else ():
        # Of this run itself, where a kill cut it short.
        remove_leftovers_of(job.target)
    start = time.perf_counter()
    with (
        BatchProgress(len(jobs), console) as progress,
        finishing_on_interrupt(console.print) as stop,
        ExitStack() as readers,
    ):
        steps = PictureSteps(
            models,
            settings,
            overwrite=args.overwrite,
            compare=args.compare,
            clean=_clean_of(args.clean),
            done_list=done_list,
            progress=progress.share,
            # One picture that ends the process has nothing to spare.
            reader=readers.enter_context(closing(ReadingProcess())) if len(jobs) > 1 else None,
        )
        outcomes = run_batch(jobs, steps, progress.picture, stop)
    not_begun = len(jobs) - len(outcomes)
    seconds = time.perf_counter() - start
    console.print(summary(outcomes, len(skipped), not_begun, seconds))
    if args.report is not None:
        path = args.report.with_stem(f'{args.report.stem}_{rank}') if world > 1 else args.report
        with open_report(path, settings.repeated()) as add:
            for one in (*outcomes, *(Outcome(job, 'skipped') for job in skipped)):
                add(one)
    return exit_code(outcomes, not_begun)


def _load_models(
    args: argparse.Namespace, settings: Settings, console: Console
) -> list[RestorationModel]:
    names = [default_model()] if args.model is None else args.model.split(',')
    device = args.device
    if device in ('auto', 'cuda') and 'LOCAL_RANK' in os.environ:
        import torch

        device = f'cuda:{os.environ["LOCAL_RANK"]}' if torch.cuda.is_available() else device
    precision: Any = settings.precision
    models = [
        load(
            (args.config, name) if args.config else name,
            device,
            precision,
            args.trust,
            args.offline,
            args.runtime,
            console.print,
        )
        for name in names
    ]
    options = settings.options()
    for model in models if options.steers else ():
        # A degradation that the model does not know is refused once, not for each picture.
        Steering(model.card.degradations, options.degradations, options.task, options.not_)
    return models


def _list(
    args: argparse.Namespace,
    settings: Settings,
    done_list: DoneList | None,
    process: tuple[int, int],
) -> Listing:
    several = bool(args.model) and ',' in args.model
    listing = list_jobs(
        args.inputs,
        args.out,
        suffix='_models' if several and args.suffix is None and args.out is None else args.suffix,
        extension='.png' if several else _extension(settings.format),
        recursive=args.recursive,
        existing=_existing(args),
        extensions=EXTENSIONS,
        done_list=done_list,
        sheets=args.compare,
        process=process,
    )
    folders = {job.target.parent for job in listing.jobs if job.target != STANDARD_STREAM}
    for folder in sorted(folders):
        check_writable(folder)
    check_side_files(args, listing.everything, None if done_list is None else done_list.path)
    return listing


def _existing(args: argparse.Namespace) -> Existing:
    if args.overwrite:
        return 'overwrite'
    return 'skip' if args.skip_existing else 'refuse'


def _extension(choice: str) -> str | None:
    return {'png': '.png', 'jpg': '.jpg', 'webp': '.webp', 'tiff': '.tif'}.get(choice)


def _done_path(args: argparse.Namespace, world: int) -> Path | None:
    if args.done_list is not None or world == 1:
        return args.done_list  # type: ignore[no-any-return]
    if args.out in (None, '-') or names_a_file(args.inputs, args.out):
        raise ValueError('Several processes need --out FOLDER, or --done-list FILE.')
    return Path(args.out) / DEFAULT_DONE_LIST


def _done_list(
    path: Path | None, settings: Settings, models: Sequence[RestorationModel]
) -> DoneList | None:
    if path is None:
        return None
    digests = '-'.join(model.digest[:16] for model in models)
    return DoneList(path, f'{settings.digest()}-{digests}')


def _clean_of(clean: Path | None) -> Any:
    """From a source to its clean picture: the one, or the one of the same name in a folder.

    A picture of the very name is meant before one that ends otherwise.
    """
    names: dict[str, Path] = {}
    for path in sorted(clean.iterdir()) if clean is not None and clean.is_dir() else ():
        if path.suffix.lower() in EXTENSIONS:
            names.setdefault(path.stem, path)
            names[path.name] = path

    def find(source: Path) -> Path | None:
        if clean is None or source == STANDARD_STREAM:
            return clean
        if clean.is_file():
            return clean
        return names.get(source.name) or names.get(source.stem)

    return find


def _films(args: argparse.Namespace, listing: Listing, settings: Settings, console: Console) -> int:
    """Restore videos, one after the other."""
    if args.dry_run:
        lines = [f'{job.source} -> {job.target}' for job in listing.jobs]
        console.print('\n'.join([*lines, f'{len(lines)} videos. Nothing was written.']))
        return 0
    start = time.perf_counter()
    model = _load_models(args, settings, console)[0]
    outcomes = restore_films(listing.jobs, model, settings.options(), console.print)
    seconds = time.perf_counter() - start
    console.print(summary(outcomes, len(listing.skipped), 0, seconds))
    return exit_code(outcomes, 0)
