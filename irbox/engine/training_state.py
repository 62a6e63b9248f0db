"""What a checkpoint must hold for a training to go on from it, checked before any of it is used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from irbox.utils.bounded import NonNegativeInt
from irbox.utils.check_type import check_type
from irbox.utils.weights import few, not_finite

STATE = ('meta', 'state_dict', 'optimizer', 'param_schedulers', 'message_hub')
FIELDS: Mapping[str, Any] = {
    'meta': Mapping[str, Any],
    'meta.iter': NonNegativeInt,
    'meta.draws': NonNegativeInt,
    'meta.seed': int,
    'meta.cfg': str,
    'state_dict': Mapping[str, Tensor],
    'optimizer': Mapping[str, Any],
    'optimizer.state': Mapping[Any, Any],
    'optimizer.param_groups': list[Mapping[str, Any]],
    'param_schedulers': list[Mapping[str, Any]],
    'message_hub': Mapping[str, Any],
    'message_hub.log_scalars': Mapping[str, Any],
    'message_hub.runtime_info': Mapping[str, Any],
    'message_hub.resumed_keys': Mapping[str, bool],
}
# Of the runtime's notes, those that are used; a checkpoint of a moment ago may lack any.
NOTES: Mapping[str, Any] = {
    'keep_ckpt_ids': list[NonNegativeInt],
    'last_ckpt': str,
    'best_ckpt': str,
    # A PSNR of equal images is infinite.
    'best_score': float | Literal[math.inf, -math.inf],
    'evaluated_at': NonNegativeInt,
    'skipped_steps': NonNegativeInt,
    'skipped_in_row': NonNegativeInt,
    'latest_steps': list[list[float]],
}
# Values in the notes of plug-ins: more than that was made to fill the memory.
MOST = 10_000


def check_meta(checkpoint: Mapping[str, Any], origin: str | Path) -> None:
    """Refuse a checkpoint whose description of itself is none; one without passes.

    Raises:
        ValueError: ``meta`` or ``meta.frozen`` is malformed.
    """
    where = f'Checkpoint {origin}: meta'
    meta = checkpoint.get('meta', {})
    check_type(meta, Mapping[str, Any], where)
    frozen = meta.get('frozen') or {}
    check_type(frozen, Mapping[str, Mapping[str, Any]], f'{where}.frozen')
    check_type(meta.get('run', ''), str, f'{where}.run')


def check_resumable(
    checkpoint: Mapping[str, Any], origin: str | Path, seed: int | None, max_iters: float = math.inf
) -> None:
    """Refuse a checkpoint that a training cannot continue from.

    Args:
        checkpoint: As ``read_checkpoint`` gives it.
        origin: Its file, for the message.
        seed: Of the run that would continue; None if it takes the checkpoint's.
        max_iters: How long that run is.

    Raises:
        ValueError: It holds weights only, was trained with another seed, or longer than that.
    """
    if not set(STATE) <= set(checkpoint):
        raise ValueError(
            f'{origin} holds weights only, not the state of a training: it cannot be resumed. '
            f'Start a new training from it with --cfg-options load_from={origin}'
        )
    meta = checkpoint['meta']
    for key in ('iter', 'seed'):
        check_type(meta.get(key), NonNegativeInt, f'Checkpoint {origin}: meta.{key}')
    if meta['iter'] > max_iters:
        raise ValueError(
            f'Checkpoint {origin}: meta.iter: {meta["iter"]} iterations are done, more than '
            f'train_cfg.max_iters={max_iters}.'
        )
    trained = meta['seed']
    if seed is not None and trained != seed:
        raise ValueError(
            f'{origin} was trained with seed {trained}, this run has seed {seed}. Resume with '
            f'--seed {trained}, or start anew in another work dir.'
        )


def check_state(checkpoint: Mapping[str, Any], origin: str | Path) -> None:
    """Refuse a checkpoint whose fields are not what a training writes.

    Args:
        checkpoint: With all keys of ``STATE``.
        origin: Where it comes from, for the message.

    Raises:
        ValueError: A field is missing or malformed, or a number is not finite; names it.
    """
    where = f'Checkpoint {origin}: '
    for field, declared in FIELDS.items():
        owner: Any = checkpoint
        for key in field.split('.'):
            if key not in owner:
                raise ValueError(f'{where}{field} is missing: it cannot be resumed from.')
            owner = owner[key]
        check_type(owner, declared, where + field)
    check_meta(checkpoint, origin)
    averages = checkpoint.get('ema_state_dict', {})
    check_type(averages, Mapping[str, Tensor], f'{where}ema_state_dict')
    hub = checkpoint['message_hub']
    for key, history in hub['log_scalars'].items():
        place = f'{where}message_hub.log_scalars.{key}'
        check_type(history, list[list[Real]], place)
        if len(history) != 2 or len(history[0]) != len(history[1]):
            raise ValueError(f'{place}: it must be values and as many counts.')
    notes = hub['runtime_info']
    for key, declared in NOTES.items():
        if key in notes:
            check_type(notes[key], declared, f'{where}message_hub.runtime_info.{key}')
    if _size(notes) > MOST:
        raise ValueError(f'{where}message_hub.runtime_info has more than {MOST} values.')
    parts = [checkpoint['state_dict'], averages, *_tensors(checkpoint['optimizer'], where)]
    if bad := [name for part in parts for name in not_finite(part)]:
        raise ValueError(
            f'{where}{few(bad)} {"are" if len(bad) > 1 else "is"} not finite. Take an older one.'
        )


def _tensors(optimizer: Mapping[str, Any], where: str) -> Iterable[Mapping[str, Tensor]]:
    for key, state in optimizer['state'].items():
        check_type(state, Mapping[str, Any], f'{where}optimizer.state.{key}')
        yield {
            f'optimizer.state.{key}.{name}': value
            for name, value in state.items()
            if isinstance(value, Tensor)
        }


def _size(value: Any, budget: int = MOST) -> int:
    """Count the values inside, up to a budget: lists may hold themselves."""
    if budget < 0:
        return 1
    if not isinstance(value, (Mapping, list, tuple)):
        return 1
    count = 1
    for item in value.values() if isinstance(value, Mapping) else value:
        count += _size(item, budget - count)
        if count > budget:
            break
    return count
