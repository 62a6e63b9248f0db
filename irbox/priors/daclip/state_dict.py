"""Reading DA-CLIP files: five forms, one set of tensors, no code run.

The released files are whole training checkpoints: ``state_dict`` beside the optimiser's state, keys
that start with ``module.``, the image tower listed twice, and a learning rate stored as a number of
numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from irbox.utils.weights import few, read_state_dict


def read_tensors(path: Path, trust_pickle: bool = False) -> dict[str, Tensor]:
    """Read a DA-CLIP file in any of its forms: tensors under their plain names, in float32.

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
        FileNotFoundError: There is no such file.
        ValueError: The file is unreadable, would run code, holds no tensors or a CLIP without
            controller, or lists the image tower twice with different values.
    """
    tensors = read_state_dict(
        path,
        'DA-CLIP checkpoint',
        mapped=True,  # only what is used is read from the disk, not the optimiser's state
        numpy_scalars=True,
        trust_pickle=trust_pickle,
        remedy='If you trust its source, convert it once with: python tools/convert_checkpoint.py '
        f'daclip {path} OUT.safetensors --trust-pickle',
    )
    _check_kind(tensors, path)
    for key in [key for key in tensors if key.startswith('visual.')]:
        alias = tensors.pop(key)
        if not torch.equal(tensors.setdefault(f'clip.{key}', alias), alias):
            raise ValueError(
                f'{path} holds two different image towers: {key} and clip.{key} differ.'
            )
    return {key: tensor.float() for key, tensor in tensors.items()}


def _check_kind(tensors: Mapping[str, Tensor], path: Path) -> None:
    has_clip = {'visual.conv1.weight', 'clip.visual.conv1.weight'} & set(tensors)
    has_controller = any(key.startswith('visual_control.') for key in tensors)
    if has_clip and not has_controller:
        raise ValueError(f'{path}: this is a CLIP checkpoint without the DA-CLIP controller.')
    if not has_clip or not has_controller:
        raise ValueError(f'{path} is no DA-CLIP checkpoint: it holds {few(tensors) or "nothing"}.')
