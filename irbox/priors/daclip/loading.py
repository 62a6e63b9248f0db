"""Building DA-CLIP with the weights of a file, and converting files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irbox.priors.daclip.composition import ARCHITECTURES, DACLIP, architecture
from irbox.priors.daclip.state_dict import read_tensors
from irbox.utils.weights import check_file, fingerprint, misfits, write_safetensors


def load_daclip(path: Path, arch: Mapping[str, Any], name: str) -> tuple[DACLIP, str]:
    """Build DA-CLIP with the weights of a file.

    Args:
        path: See ``read_tensors``.
        arch: Sizes of the towers, from ``architecture``.
        name: What the user calls them, for messages.

    Returns:
        The model, whose tensors may be backed by the file, and the fingerprint of its weights.

    Raises:
        ValueError: See ``read_tensors``; also where the file's architecture is another, or tensors
            are missing, unknown or of another shape.
    """
    tensors = read_tensors(path)
    found, wanted = _sizes_of_file(tensors), _sizes_of_config(arch)
    if found != wanted:
        raise ValueError(
            f'{path} is {_name_sizes(found)}, but arch is {name} {wanted}. '
            'Set arch to what the file is, or take the file for this arch.'
        )
    model = empty_daclip(arch)
    _check_match(tensors, model, path)
    model.load_state_dict(tensors, assign=True)
    # The only tensor that is not in a file: each caption token sees itself and those before it.
    length = model.clip.context_length
    model.clip.attn_mask = torch.full((length, length), float('-inf'), device='cpu').triu(1)
    return model, fingerprint(tensors)


def empty_daclip(arch: Mapping[str, Any]) -> DACLIP:
    """Build DA-CLIP without memory for its weights: names, shapes, counts."""
    with torch.device('meta'):
        return DACLIP(arch)


def convert(source: Path, target: Path, trust_pickle: bool = False) -> tuple[int, int]:
    """Write the weights of any DA-CLIP file as safetensors: smaller, and nothing in it can run.

    Returns:
        Number of tensors and of parameters.

    Raises:
        FileNotFoundError: The source, or the folder of the target, does not exist.
        OSError: The target cannot be written.
        ValueError: The target exists or has another suffix, or ``read_tensors`` refuses the source.
    """
    check_file(source, 'DA-CLIP checkpoint')
    if target.suffix != '.safetensors':
        raise ValueError(f'The output must be named .safetensors, got {target}.')
    if target.exists():
        raise ValueError(f'{target} exists. Remove it or choose another name.')
    if not target.parent.is_dir():
        raise FileNotFoundError(f'There is no folder {target.parent}.')
    tensors = read_tensors(source, trust_pickle)
    sizes = _sizes_of_file(tensors)
    known = [name for name in ARCHITECTURES if _sizes_of_config(architecture(name)) == sizes]
    if known:
        _check_match(tensors, empty_daclip(architecture(known[0])), source)
    write_safetensors(tensors, target)
    return len(tensors), sum(tensor.numel() for tensor in tensors.values())


def _check_match(tensors: Mapping[str, Tensor], model: nn.Module, path: Path) -> None:
    own = model.state_dict()
    if faults := misfits(own, tensors):
        raise ValueError(f'{path} does not hold the {len(own)} tensors of DA-CLIP: {faults}.')


def _sizes_of_file(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    def size(key: str, dimension: int) -> int:
        return tensors[key].shape[dimension] if key in tensors else 0

    linears = [key for key in tensors if key.startswith('visual_control.transformer.zero_modules.')]
    return {
        'width': size('clip.visual.conv1.weight', 0),
        'patch': size('clip.visual.conv1.weight', -1),
        'layers': sum(key.endswith('.weight') for key in linears),
        'embedding': size('clip.visual.proj', 1),
        'text width': size('clip.token_embedding.weight', 1),
    }


def _sizes_of_config(arch: Mapping[str, Any]) -> dict[str, int]:
    vision = arch['vision_cfg']
    return {
        'width': vision['width'],
        'patch': vision['patch_size'],
        'layers': vision['layers'],
        'embedding': arch['embed_dim'],
        'text width': arch['text_cfg']['width'],
    }


def _name_sizes(sizes: Mapping[str, int]) -> str:
    for name in ARCHITECTURES:
        if _sizes_of_config(architecture(name)) == sizes:
            return f'{name} {dict(sizes)}'
    return f'of other sizes {dict(sizes)}'
