"""``irbox restore --ray``: the pictures of a call through a cluster."""

from __future__ import annotations

import argparse
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from irbox.restore.batch.check_targets import Existing
from irbox.restore.batch.done_list import DEFAULT_DONE_LIST, DoneList
from irbox.restore.batch.job import Outcome
from irbox.restore.batch.progress import BatchProgress
from irbox.restore.batch.read_arguments import check_side_files
from irbox.restore.batch.run_batch import finishing_on_interrupt
from irbox.restore.batch.settings import Settings
from irbox.restore.batch.summary import exit_code, summary
from irbox.restore.batch.write_report import open_report
from irbox.restore.cluster.addresses import is_address
from irbox.restore.cluster.item import Item
from irbox.restore.cluster.list_items import list_items
from irbox.restore.cluster.restore_stage import Restore
from irbox.restore.cluster.stages import STATE, Decode, Encode, Passed
from irbox.restore.load import load
from irbox.restore.shipped import default_model
from irbox.utils.optional import require

SHARE = 0.5
"""Processors that decoding or encoding a picture counts as."""
ROWS = 8
"""Pictures in a block, which is made again as a whole where its process is killed."""
MOST_BLOCKS = 5000
ONCE = {'max_retries': 0}
"""Ray would start a process for ever that one picture ends each time."""


def restore_on_ray(
    args: argparse.Namespace, settings: Settings, existing: Existing, extension: str | None
) -> int:
    """Restore what the options name on a cluster, or on this machine as if it was one.

    Args:
        args: As ``irbox.commands.restore`` reads them.
        settings: How.
        existing: What becomes of answers that exist.
        extension: Of the answers; None keeps the source's.

    Returns:
        As ``restore_files``.

    Raises:
        ValueError, OSError: Nothing was begun.
        ImportError: Ray is not installed.
    """
    check_arguments(args)
    if args.runtime != 'torch':
        raise ValueError(
            f'--runtime {args.runtime} goes without --ray: on a cluster torch computes. Leave one '
            'of them out.'
        )
    ray = require('ray.data', package="'irbox[ray]'", needed_by='irbox restore --ray')
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    model = {
        'what': model_of(args),
        'device': 'cuda' if args.gpus_per_worker and args.device == 'auto' else args.device,
        'precision': settings.precision,
        'trust': args.trust,
        'offline': args.offline,
    }
    # Here, too: what is wrong with it is said once, and its digest is that of the list.
    digest = load(**model | {'device': 'cpu', 'precision': 'auto'}).digest
    done_list, run = None, _Run(str(args.out))
    if args.done_list is not None or not is_address(args.out):
        path = args.done_list or Path(args.out, DEFAULT_DONE_LIST)
        done_list = DoneList(path, f'{settings.digest()}-{digest[:16]}')
        if done_list.state(run) is not None and existing == 'refuse':
            # Nothing was there when it was begun: what is there now is whole, and its own.
            existing = 'skip'
    items = list_items(
        args.inputs,
        args.out,
        recursive=args.recursive,
        suffix=args.suffix,
        extension=extension,
        existing=existing,
        done_list=done_list,
    )
    jobs = [one.job for one in (*items.left, *items.skipped)]
    check_side_files(args, jobs, None if done_list is None else done_list.path)
    for note in items.notes:
        console.print(f'Note: {note}')
    if args.dry_run:
        lines = [f'{one.name} -> {one.target}' for one in items.left]
        lines += [f'{len(lines)} to restore, {len(items.skipped)} have an answer already.']
        console.print('\n'.join(lines))
        return 0
    if done_list is not None and items.left:
        done_list.begin(run)
    start = time.perf_counter()
    outcomes: list[Outcome] = []
    with (
        BatchProgress(len(items.left), console) as progress,
        finishing_on_interrupt(console.print) as stop,
        open_report(args.report, settings.repeated()) as report,
    ):
        for item in items.skipped:
            report(Outcome(item.job, 'skipped'), item.name, item.target)
        with _started(ray, args) if items.left else nullcontext() as machines:
            for item, outcome in _outcomes(machines, items.left, args, model, settings):
                outcomes.append(outcome)
                if done_list is not None and outcome.status == 'restored':
                    done_list.finish(item)
                report(outcome, item.name, item.target)
                # There may be millions of them.
                outcome.details = {}
                progress.picture(outcome)
                if stop.is_set():
                    break
    not_begun = len(items.left) - len(outcomes)
    seconds = time.perf_counter() - start
    console.print(summary(outcomes, len(items.skipped), not_begun, seconds))
    return exit_code(outcomes, not_begun)


class _Run:
    """A whole run, as an entry of the list of what is done."""

    def __init__(self, out: str) -> None:
        self.key = ('every picture', out)


def check_arguments(args: argparse.Namespace) -> None:
    """Refuse what does not go together with a cluster.

    Raises:
        ValueError: Says which option.
    """
    if args.out is None or args.out == '-' or '-' in args.inputs:
        raise ValueError('--ray reads files and needs --out, a folder or the address of one.')
    if args.compare or ',' in (args.model or ''):
        raise ValueError('--ray restores by one model and draws no sheets: leave --compare out.')
    if 'WORLD_SIZE' in os.environ:
        raise ValueError('--ray starts its own processes: leave torchrun out.')


def model_of(args: argparse.Namespace) -> Any:
    """Name the model so that processes in any folder find it: for ``irbox.load``."""
    names = [one for one in (args.config, args.model or default_model()) if one]
    # Of models and configs by name nothing stands here.
    whole = [os.path.abspath(one) if os.path.exists(one) else one for one in names]
    return tuple(whole) if args.config else whole[0]


def _outcomes(
    machines: Any,
    items: Sequence[Item],
    args: argparse.Namespace,
    model: dict[str, Any],
    settings: Settings,
) -> Iterator[tuple[Item, Outcome]]:
    """Give what became of each picture, as they end.

    A decoder that ends its process takes the pictures of its block with it. These are tried once
    more, each in a block of its own, so that only the one that does it fails.
    """
    # Of options that Ray means to name otherwise, and that have no other name yet.
    warnings.filterwarnings('ignore', message='.*ray_remote_args.*')
    left = {item.key: item for item in items}
    # Processes of a cluster begin in a folder of their own, where names would mean others' files.
    folder = os.getcwd()
    mask, steer_mask = settings.mask, settings.steer_mask
    settings = replace(
        settings, mask=mask and mask.absolute(), steer_mask=steer_mask and steer_mask.absolute()
    )
    for rows in (ROWS, 1):
        if not left:
            return
        data = machines(list(left.values()), rows)
        data = data.map(Decode(settings.format, folder), num_cpus=SHARE, **ONCE)
        data = data.map_batches(
            Restore,
            fn_constructor_args=(model, settings),
            batch_size=args.batch,
            batch_format='numpy',
            compute=machines.actors(),
            num_cpus=args.cpus_per_worker,
            num_gpus=args.gpus_per_worker or None,
        )
        encode = Encode(settings.writing(), args.overwrite, folder)
        data = data.map(encode, num_cpus=SHARE, **ONCE)
        for row in data.iter_rows():
            passed: Passed = row[STATE]
            if left.pop(passed.item.key, None) is not None:
                yield passed.item, passed.outcome
    for item in left.values():
        reason = 'the process that worked on it was killed, twice: by the decoder, or for memory'
        yield item, Outcome(item.job, 'failed', reason)


class _Machines:
    """A cluster that was joined, or this machine."""

    def __init__(self, ray: Any, workers: int) -> None:
        self.ray, self.workers = ray, workers

    def __call__(self, items: Sequence[Item], rows: int) -> Any:
        """Give the items as a data set of blocks."""
        import pyarrow

        rows = max(rows, len(items) // MOST_BLOCKS)
        parts = [items[at : at + rows] for at in range(0, len(items), rows)]
        return self.ray.data.from_arrow(
            [pyarrow.Table.from_pylist([asdict(item) for item in part]) for part in parts]
        )

    def actors(self) -> Any:
        """Say how many processes hold a model."""
        return self.ray.data.ActorPoolStrategy(size=self.workers)


@contextmanager
def _started(data: Any, args: argparse.Namespace) -> Iterator[Callable[..., Any]]:
    """Join a cluster, or start one on this machine that ends with the command."""
    ray = require('ray', needed_by='irbox restore --ray')
    # Nothing is told to anybody, and to the user what concerns the pictures.
    for name, value in (('USAGE_STATS_ENABLED', '0'), ('BACKEND_LOG_LEVEL', 'fatal')):
        os.environ.setdefault(f'RAY_{name}', value)
    logging.getLogger('ray.data').setLevel(logging.CRITICAL)
    each, workers = args.cpus_per_worker, args.workers
    options: dict[str, Any] = {'logging_level': 'error', 'log_to_driver': False}
    if args.address:
        ray.init(args.address, **options)
        own = ray.cluster_resources()
        by_processors = int((own.get('CPU', 1) - 2 * SHARE) // each)
        by_devices = int(own.get('GPU', 0) // (args.gpus_per_worker or 1))
        workers = workers or max(by_devices if args.gpus_per_worker else by_processors, 1)
    else:
        workers = workers or max((os.cpu_count() or 1) // each, 1)
        # Its processes would let all others of the machine go first, as the plain command does not.
        os.environ.setdefault('RAY_worker_niceness', '0')
        # Decoding and encoding take little: they have room beside the workers.
        ray.init(num_cpus=workers * each + 1, include_dashboard=False, **options)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    try:
        yield _Machines(ray, workers)
    finally:
        ray.shutdown()
