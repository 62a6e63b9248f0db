"""Reading DA-CLIP files: five forms, one set of tensors, no code run.

The released files are whole training checkpoints: ``state_dict`` beside the optimiser's state, keys
that start with ``module.``, the image tower listed twice, and a learning rate stored as a numpy
float, which ``torch.load`` refuses unless told that numpy's scalars are harmless.
"""

from __future__ import annotations

import _codecs
import hashlib
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
# What a released file needs and cannot harm: numpy numbers, under the module names of numpy 1 and
# 2.
_HARMLESS = [
    (_NUMPY_SCALAR, 'numpy.core.multiarray.scalar'),
    (_NUMPY_SCALAR, 'numpy._core.multiarray.scalar'),
    np.dtype,
    type(np.dtype(np.float64)),
    _codecs.encode,
]


def read_tensors(path: Path, trust_pickle: bool = False) -> dict[str, Tensor]:
    """The tensors of a DA-CLIP file in any of its forms, under their plain names, in float32.

    Args:
        path: A ``.safetensors`` file, or what ``torch.save`` wrote: the state dict, bare or under
            ``state_dict``, with or without a leading ``module.``, with or without the optimiser's
            state.
        trust_pickle: Read a pickle that asks for other code than torch's own. It can then do
            anything: only for files whose source you trust.

    Returns:
        Without the second listing of the image tower. Tensors may be backed by the file until they
        are copied.

    Raises:
        ValueError: The file is unreadable, would run code, holds no tensors or a CLIP without
            controller, or lists the image tower twice with different values.
    """
    tensors = read_state_dict(path, 'daclip', trust_pickle)
    _check_kind(tensors, path)
    for key in [key for key in tensors if key.startswith('visual.')]:
        alias = tensors.pop(key)
        if not torch.equal(tensors.setdefault(f'clip.{key}', alias), alias):
            raise ValueError(
                f'{path} holds two different image towers: {key} and clip.{key} differ.'
            )
    return {key: tensor.float() for key, tensor in tensors.items()}


def read_state_dict(path: Path, kind: str, trust_pickle: bool = False) -> dict[str, Tensor]:
    """The tensors of a published file under the names that they have there.

    Args:
        path: As for ``read_tensors``, of any model.
        kind: What ``tools/convert_checkpoint.py`` calls such files, for messages.
        trust_pickle: As for ``read_tensors``.

    Returns:
        Names without a leading ``module.``. Tensors may be backed by the file until they are
        copied.

    Raises:
        ValueError: The file is unreadable, would run code or holds no tensors.
    """
    return _unwrap(_read(path, kind, trust_pickle), path)


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """sha256 of names, shapes and values, the same for every form of the same weights."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        tensor = tensors[key].detach().float().contiguous()
        digest.update(f'{key}{tuple(tensor.shape)}'.encode())
        digest.update(tensor.numpy())
    return digest.hexdigest()


def few(keys: Iterable[str]) -> str:
    """The first three, in order."""
    keys = sorted(keys)
    return ', '.join(keys[:3]) + (', ...' if len(keys) > 3 else '')


def _read(path: Path, kind: str, trust_pickle: bool) -> Any:
    if path.suffix == '.safetensors':
        try:
            return load_file(path)
        except safetensors.SafetensorError as error:
            raise ValueError(f'{path} is no readable safetensors file: {error}') from error
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f'{path} is no PyTorch checkpoint: a download that was cut short, or a web page?'
        )
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            # Mapped: only what is used is read from the disk, not the optimiser's state.
            return torch.load(path, 'cpu', weights_only=not trust_pickle, mmap=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} was refused, since reading it could run code: {_reason(error)} If you trust '
            f'its source, convert it once with: python tools/convert_checkpoint.py {kind} '
            f'{path} OUT.safetensors --trust-pickle'
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(f'{path} is no readable checkpoint: {error}') from error


def _reason(error: Exception) -> str:
    """The line of torch's long message that names what the file asks for."""
    lines = [line.strip() for line in str(error).splitlines()]
    naming = [line for line in lines if 'GLOBAL' in line or 'Unsupported' in line]
    return naming[0] if naming else ''


def _unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(loaded, Mapping) and isinstance(loaded.get('state_dict'), Mapping):
        loaded = loaded['state_dict']
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f'{path} holds no state dict but {type(loaded).__name__}.')
    strangers = [
        key
        for key, value in loaded.items()
        if not (isinstance(key, str) and isinstance(value, Tensor))
    ]
    if strangers:
        raise ValueError(
            f'{path} holds no state dict: {strangers[:3]} of {len(loaded)} entries are no tensors.'
        )
    prefix = 'module.' if next(iter(loaded)).startswith('module.') else ''
    return {key.removeprefix(prefix): tensor for key, tensor in loaded.items()}


def _check_kind(tensors: Mapping[str, Tensor], path: Path) -> None:
    has_clip = {'visual.conv1.weight', 'clip.visual.conv1.weight'} & set(tensors)
    has_controller = any(key.startswith('visual_control.') for key in tensors)
    if has_clip and not has_controller:
        raise ValueError(f'{path}: this is a CLIP checkpoint without the DA-CLIP controller.')
    if not has_clip or not has_controller:
        raise ValueError(f'{path} is no DA-CLIP checkpoint: it holds {few(tensors)}.')
