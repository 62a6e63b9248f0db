"""What ``tools/train.py`` does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, get_world_size, is_main_process
from rich.console import Console
from rich.table import Table
from torch import nn

from irbox.config.command_line import users_mistake
from irbox.engine import compat
from irbox.engine.check_fit import check_fit
from irbox.engine.checkpoint import check_frozen, check_weights, read_checkpoint
from irbox.engine.hooks import FinalWeightsHook, ProgressivePatchesHook
from irbox.engine.prepare import (
    Prepared,
    build_schedulers,
    prepare_training,
    try_optimizer,
    work_dir_of,
)
from irbox.engine.training_state import check_resumable
from irbox.engine.work_dir import (
    check_progress,
    claim,
    identity_of,
    new_identity,
    newest_checkpoint,
    note_end,
    note_refusal,
)
from irbox.utils.console import console
from irbox.utils.files import check_writable, locked, remove_leftovers

LOCK = '.training.lock'
# Seconds that what is left of a training that was killed has to end, such as its loaders.
WAIT = 10.0


def find_checkpoint(config: Config, resume: str | Path | None) -> Path | None:
    """Find the checkpoint that ``--resume`` means.

    Args:
        config: As ``load_config`` gives it.
        resume: A file; a folder, for the newest in it that can be read; ``auto``, for the newest in
            the work dir; None, for none.

    Returns:
        A file, or None for a training from the start: also where ``auto`` finds nothing.

    Raises:
        OSError: There is no such file, nothing that can be read in the folder, or something that
            cannot be opened.
        ValueError: See ``newest_checkpoint``: a folder that has files never begins anew by itself;
            and ``check_progress``.
    """
    if resume is None:
        return None
    automatic = str(resume) == 'auto'
    path = work_dir_of(config) if automatic else Path(resume).expanduser()
    if path.is_dir():
        newest = newest_checkpoint(path)
        if automatic:
            check_progress(path, newest)
        if newest is None and not automatic:
            raise FileNotFoundError(f'--resume {path}: the folder holds no checkpoint iter_*.pth.')
        return newest
    if not automatic and not path.is_file():
        raise FileNotFoundError(f'--resume {path}: there is no such file.')
    return None if automatic else path


def train(config: Config, seed: int | None = None, checkpoint: Path | None = None) -> int:
    """Train, and say where the results are.

    Everything is built and checked before anything is written.

    Args:
        config: As ``load_config`` gives it.
        seed: In place of the config's.
        checkpoint: To resume from.

    Returns:
        The exit code: 0, or that of the signal which ended it (143 or 130).

    Raises:
        ValueError, FileNotFoundError, ImportError, PermissionError: What was asked for cannot be
            done.
        BlockingIOError: Another training uses the work dir.
        DivergenceError: The training diverged.
    """
    prepared, begun = _prepare(config, seed, checkpoint)
    out = console()
    barrier()  # all processes have found what they resume from
    with ExitStack() as stack:
        load_from = checkpoint or config.get('load_from')
        if is_main_process():
            folder = Path(config.work_dir)
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder / LOCK, WAIT))
            _show(prepared, out)
            if load_from is not None:
                # Before files are moved: a link would then lead nowhere.
                load_from = Path(load_from).expanduser().resolve()
            iteration = begun['iter'] if checkpoint else 0
            identity = identity_of({'meta': begun}) if checkpoint else new_identity()
            went = claim(folder, identity, iteration, str(config.filename))
            if went:
                aside = next(iter(went.values())).parent
                out.print(f'What another run, or a later time, left here is now in {aside}.')
            if load_from is not None:
                moved = {folder.resolve() / old.name: new for old, new in went.items()}
                load_from = moved.get(load_from, load_from)
            remove_leftovers(folder)
        told: list[Any] = [load_from, identity] if is_main_process() else [None, None]
        broadcast_object_list(told)
        load_from, identity = told
        runner = prepared.runner(
            load_from=None if load_from is None else str(load_from), resume=checkpoint is not None
        )
        runner.identity = identity
        facts = (f'  {name}: {value}' for name, value in _facts(prepared))
        runner.logger.info('\n'.join(['Training:', *facts]))
        if is_main_process() and checkpoint:
            out.print(f'Resuming from {checkpoint}')
        try:
            runner.train()
        except (ValueError, ImportError) as error:
            if is_main_process() and runner.iter <= iteration and users_mistake(error):
                note_refusal(folder)
            raise
        if is_main_process():
            note_end(config.work_dir)
    if runner.train_loop.is_unfinished:
        if is_main_process():
            out.print(f'Stopped after iteration {runner.iter}. Add --resume to continue.')
        return runner.signals.code
    if is_main_process():
        finals = [hook for hook in runner.hooks if isinstance(hook, FinalWeightsHook)]
        paths = [f' Weights: {Path(runner.work_dir, hook.filename)}' for hook in finals]
        out.print(f'Finished.{"".join(paths)}')
    return 0


def dry_run(config: Config, seed: int | None = None, checkpoint: Path | None = None) -> None:
    """Build and check everything as ``train`` does, and train on one batch; write nothing.

    Of a training in stages it is a batch of the stage with the most pixels. It meets the weights
    that a training would start from anew: those of a checkpoint are checked, not loaded.

    Raises:
        ValueError, FileNotFoundError, ImportError, PermissionError: As ``train``.
    """
    prepared, _ = _prepare(config, seed, checkpoint)
    wrapper = try_optimizer(prepared)
    model: Any = prepared.model.train()
    batch = _first_batch(prepared)
    with wrapper.optim_context(model):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
    total, values = model.parse_losses(losses)
    total.backward()
    if is_main_process():
        out = console()
        _show(prepared, out)
        shown = ', '.join(f'{name} {value.item():.4g}' for name, value in values.items())
        out.print(f'One iteration: {shown}.')
        if torch.cuda.is_available():
            out.print(f'Memory on the GPU: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB.')
        out.print('Dry run: nothing was written.')


def _first_batch(prepared: Prepared) -> Any:
    """Give a batch as hooks leave it to the model."""
    batch = next(iter(prepared.sections['train_dataloader']))
    if isinstance(batch, MutableMapping):
        batch.pop('skipped', None)  # what BadSamplesHook takes out
    for hook in prepared.hooks:
        if isinstance(hook, ProgressivePatchesHook):
            hook.cut(batch, max(hook.stages, key=lambda one: one['batch'] * one['patch'] ** 2))
    return batch


def _prepare(
    config: Config, seed: int | None, checkpoint: Path | None
) -> tuple[Prepared, dict[str, Any]]:
    """Build a training, check what it would start from; gives it and the ``meta`` of that."""
    compat.init()
    check_writable(work_dir_of(config))
    origin = checkpoint or config.get('load_from')
    # What is resumed is looked at to its last number; of other weights shapes are enough.
    content = read_checkpoint(origin, 'cpu' if checkpoint else 'meta') if origin else {}
    if checkpoint is not None:
        wanted = seed if seed is not None else (config.get('randomness') or {}).get('seed')
        longest = (config.get('train_cfg') or {}).get('max_iters', math.inf)
        check_resumable(content, checkpoint, wanted, longest)
        seed = content['meta']['seed']
    prepared = prepare_training(config, seed)
    if origin:
        check_weights(prepared.model, content['state_dict'], origin)
        check_frozen(prepared.model, content, origin)
    if checkpoint is not None:
        wrapper = try_optimizer(prepared)
        schedulers = build_schedulers(prepared, wrapper)
        check_fit(content, checkpoint, prepared.model, prepared.hooks, wrapper, schedulers)
    return prepared, content.get('meta', {})


def _show(prepared: Prepared, out: Console) -> None:
    """Print what will be trained, as a table, and what was found and converted, a line each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(prepared):
        table.add_row(name, str(value))
    out.print(table)
    for note in prepared.notes:
        out.print(f'Note: {note}')


def _facts(prepared: Prepared) -> Iterator[tuple[str, Any]]:
    """What a training is made of, by name."""
    config, model = prepared.config, prepared.model
    loader = prepared.sections['train_dataloader']
    counts = config.optim_wrapper.get('accumulative_counts', 1)
    processes = get_world_size()
    batch = ' x '.join(
        f'{number} {what}'
        for number, what in (
            (loader.batch_size, 'images'),
            (counts, 'accumulated'),
            (processes, 'processes'),
        )
        if number > 1 or what == 'images'
    )
    optimiser = config.optim_wrapper.optimizer
    schedulers = config.get('param_scheduler') or []
    names = [one.type for one in (schedulers if isinstance(schedulers, list) else [schedulers])]
    yield from (
        ('config', config.filename),
        ('work dir', config.work_dir),
        ('model', _parameters(model)),
        ('training samples', f'{len(loader.dataset):,} in an epoch'),
        *_tasks(loader.dataset),
        ('batch', batch),
        (
            'iterations',
            f'{config.train_cfg.max_iters:,}, validated every {config.train_cfg.val_interval:,}',
        ),
        (
            'optimiser',
            f'{optimiser.type}, lr {optimiser.get("lr")}, {" + ".join(names) or "constant"}',
        ),
        ('learning rate', _following(config, loader.batch_size * processes)),
        ('precision', {True: 'bf16'}.get(config.get('amp'), config.get('amp') or 'float32')),
        ('blocks', 'compiled' if config.get('compile_blocks') else 'as they are'),
        *([('steps', 'captured as CUDA graphs')] if config.get('capture_steps') else []),
        ('averaged weights', 'yes' if config.get('ema') else 'no'),
        ('seed', config.randomness.seed),
        ('device', torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'),
    )


def _following(config: Config, batch: int) -> str:
    """Say whether the learning rate follows the batch; accumulated batches do not count."""
    scaling = config.get('auto_scale_lr') or {}
    if not scaling.get('enable'):
        return 'as given, whatever the batch'
    return f'times {batch} / {scaling["base_batch_size"]}, the batch (auto_scale_lr)'


def _tasks(dataset: Any) -> Iterator[tuple[str, str]]:
    """A row for each task, where a data set says how many samples there are of it."""
    counts: Mapping[str, float] = getattr(dataset, 'task_counts', {})
    total = sum(counts.values())
    for label, count in counts.items():
        yield f'  {label}', f'{round(count):,} ({count / total:.1%})'


def _parameters(model: nn.Module) -> str:
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    frozen = sum(weight.numel() for weight in model.parameters() if not weight.requires_grad)
    name = type(getattr(model, 'network', model)).__name__
    return f'{name}, {trained:,} weights' + (f' and {frozen:,} frozen ones' if frozen else '')
