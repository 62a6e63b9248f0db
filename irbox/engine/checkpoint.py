"""Checkpoint files: read safely, written whole, and checked for fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor, nn

from irbox.engine.leaving import DivergenceError
from irbox.engine.shards import with_shards
from irbox.engine.training_state import check_meta
from irbox.utils.frozen import FrozenModule
from irbox.utils.weights import (
    bare_name,
    few,
    misfits,
    not_finite,
    read_weights,
    state_dict_of,
    write_weights,
)

# mmengine keeps a million values per logged number and copies them all at each new one. Nothing
# looks back further than a smoothing window.
HISTORY_LENGTH = 1000
PUBLISHED_KEYS = ('state_dict', 'params_ema', 'params', 'model_state_dict', 'model')
"""What holds the tensors: in our files and Lightning's, in BasicSR's, and in those of others."""

_REMEDY = (
    'If you trust its source: irbox convert-checkpoint with --trust-pickle reads the published '
    'files that it knows; of another, load it there and save its state dict with '
    'safetensors.torch.save_file.'
)


def read_checkpoint(path: str | Path, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read a checkpoint without running anything that it holds.

    Args:
        path: A ``.pth`` file with tensors and plain values, or ``.safetensors``; as others publish
            them, too.
        map_location: Where the tensors go, as for ``torch.load``.

    Returns:
        A dict with ``state_dict``; a file that is a bare state dict is wrapped in one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, holds code, or is no checkpoint.
    """
    path = Path(path).expanduser()
    if path.is_file():
        # Opened by ourselves: some readers say of a file that is closed to us that it is missing.
        path.open('rb').close()
    try:
        content = read_weights(path, map_location, numpy_scalars=True, remedy=_REMEDY)
    except FileNotFoundError as error:
        folder = path if path.is_dir() else path.parent
        there = ', '.join(file.name for file in sorted(folder.glob('*.pth'))[-5:])
        hint = f' {folder} holds {there}.' if there else ''
        raise FileNotFoundError(f'{error}{hint}') from None
    content = with_shards(content, path, map_location)
    found = state_dict_of(content, path, PUBLISHED_KEYS)
    if found is not content.get('state_dict'):
        return {'state_dict': dict(found)}
    check_meta(content, path)
    return dict(content)


def write_checkpoint(content: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint that ``read_checkpoint`` reads; the file appears whole or not at all.

    Raises:
        DivergenceError: A number in it is not finite: nothing is written.
    """
    plain = to_plain(content)
    if bad := not_finite(tensors_in(plain)):
        raise DivergenceError(
            f'{few(bad)} {"are" if len(bad) > 1 else "is"} not finite, and {path} is not written'
        )
    write_weights(plain, path)


def tensors_in(content: Any, place: str = '') -> dict[str, Tensor]:
    """Give all tensors inside mappings and lists by their dotted places."""
    if isinstance(content, Tensor):
        return {place: content}
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(content, Mapping):
        items = content.items()
    elif isinstance(content, (list, tuple)):
        items = enumerate(content)
    found: dict[str, Tensor] = {}
    for key, value in items:
        if isinstance(value, (Tensor, Mapping, list, tuple)):
            found |= tensors_in(value, f'{place}.{key}' if place else str(key))
    return found


def load_weights(model: nn.Module, state_dict: Mapping[str, Tensor], origin: str | Path) -> None:
    """Load weights that must fit exactly, see ``check_weights``, and be finite.

    Raises:
        ValueError: They do not fit, or are spoilt; nothing is loaded.
    """
    check_weights(model, state_dict, origin)
    if bad := not_finite(state_dict):
        raise ValueError(
            f'Checkpoint {origin} is of a training that diverged: {len(bad)} of its '
            f'{len(state_dict)} weights are not finite ({few(bad)}). Take an older one.'
        )
    model.load_state_dict(named_for(model, state_dict))


def check_weights(model: nn.Module, state_dict: Mapping[str, Tensor], origin: str | Path) -> None:
    """Refuse weights that do not fit a model; nothing is loaded.

    Weights that a model keeps out of its state dict (frozen priors) are neither asked for nor
    minded.

    Args:
        model: Whose weights they should be.
        state_dict: The weights; tensors on the meta device will do.
        origin: Where they come from, for the message.

    Raises:
        ValueError: Keys are missing, unknown or of another shape; all are counted and the first
            few named.
    """
    own = model.state_dict()
    frozen = tuple(
        f'{name}.' for name, part in model.named_modules() if isinstance(part, FrozenModule)
    )
    given = named_for(model, state_dict)
    asked = {key: value for key, value in given.items() if not key.startswith(frozen)}
    if faults := misfits(own, asked):
        raise ValueError(
            f'Checkpoint {origin} is of another architecture. Of the {len(own)} weights of the '
            f'config: {faults}. Use the config that it was trained with.'
        )


def named_for(model: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name weights as a model does: those of a network alone are a restorer's ``network``."""
    given = {bare_name(key): value for key, value in state_dict.items()}
    network = getattr(model, 'network', None)
    if isinstance(network, nn.Module) and given.keys() & network.state_dict().keys():
        return {f'network.{key}': value for key, value in given.items()}
    return given


def frozen_records(model: nn.Module) -> dict[str, Any]:
    """Give what a checkpoint says of the parts whose weights it leaves out, by their names."""
    parts: list[tuple[str, Any]] = list(model.named_modules())
    return {
        bare_name(name): part.checkpoint_record()
        for name, part in parts
        if hasattr(part, 'checkpoint_record')
    }


def check_frozen(model: nn.Module, checkpoint: Mapping[str, Any], origin: str | Path) -> None:
    """Refuse a checkpoint that was trained with other frozen parts (a pretrained prior).

    Args:
        model: That the checkpoint is meant for.
        checkpoint: As ``read_checkpoint`` gives it. One without records passes.
        origin: Where it comes from, for the message.

    Raises:
        ValueError: A frozen part is missing or differs; the message says in what.
    """
    parts: dict[str, Any] = {bare_name(name): part for name, part in model.named_modules()}
    for name, record in (checkpoint.get('meta', {}).get('frozen') or {}).items():
        part: Any = parts.get(name)
        if not hasattr(part, 'check_record'):
            raise ValueError(
                f'Checkpoint {origin} was trained with the frozen part {name} '
                f'({record.get("type")}, file {record.get("file")}), which the config lacks. '
                'Use the config that it was trained with.'
            )
        try:
            part.check_record(record)
        except ValueError as error:
            raise ValueError(f'Checkpoint {origin}: {error}') from error


def to_plain(value: Any) -> Any:
    """Give the same content in types that safe loading accepts, tensors in the main memory.

    Raises:
        TypeError: Something has no plain form.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [to_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (str, bytes, int, float, bool, complex, torch.dtype, type(None))):
        return value
    raise TypeError(f'A {type(value).__name__} cannot be saved in a checkpoint: {value!r}')


def pack_message_hub(hub: MessageHub) -> dict[str, Any]:
    """Give mmengine's message hub as plain values; what has no plain form is left out."""
    state = hub.state_dict()
    infos = {}
    for key, value in state['runtime_info'].items():
        try:
            infos[key] = to_plain(value)
        except TypeError:
            continue
    scalars = {
        key: [side[-HISTORY_LENGTH:].tolist() for side in buffer.data]
        for key, buffer in state['log_scalars'].items()
    }
    kept = set(infos) | set(scalars)
    resumed = {key: flag for key, flag in state['resumed_keys'].items() if key in kept}
    return {'log_scalars': scalars, 'runtime_info': infos, 'resumed_keys': resumed}


def unpack_message_hub(packed: Mapping[str, Any], work_dir: str | Path) -> dict[str, Any]:
    """Give what ``MessageHub.load_state_dict`` takes, with paths moved to this work dir.

    mmengine keeps absolute paths. A copied work dir that is resumed would delete the best
    checkpoint of the original.
    """
    infos = {
        key: str(Path(work_dir, Path(value).name))
        if isinstance(value, str) and (key == 'last_ckpt' or key.startswith('best_ckpt'))
        else value
        for key, value in packed['runtime_info'].items()
    }
    scalars = {
        key: HistoryBuffer(history, counts, max_length=HISTORY_LENGTH)
        for key, (history, counts) in packed['log_scalars'].items()
    }
    return {**packed, 'runtime_info': infos, 'log_scalars': scalars}
