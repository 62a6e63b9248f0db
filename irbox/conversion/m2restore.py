"""M2Restore's released checkpoint, rewritten for the composition ``m2restore_official.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from irbox.conversion.rename_weights import (
    FREQUENCY_PARTS,
    FREQUENCY_PLACES,
    UNET_PARTS,
    UNET_PLACES,
    Conversion,
    check_target,
    published_name,
    write_weights,
)
from irbox.priors.daclip.reading import few, read_state_dict

# Ours -> released: where a weight sits in the network.
_PLACES = (
    UNET_PLACES
    | FREQUENCY_PLACES
    | {
        'prompt.convs.': 'task_prompt.CondNet.',
        'prompt.attention.': 'task_prompt.lastOut.',
        'prompt.prompts': 'task_prompt.dictionary',
        'before_levels.0.0.': 'mcdb1.',
        'before_levels.1.0.': 'mcdb2.',
        'before_levels.2.0.': 'mcdb3.',
    }
)
# Ours -> released: what it does there, behind the number of the block. Parts that are not listed
# have the same name in both.
_PARTS = (
    UNET_PARTS
    | FREQUENCY_PARTS
    | {
        # MambaCNNBlock. The released code calls DA-CLIP's embedding a prompt too.
        'branches.mamba_norm_in.': 'ssm.norm.',
        'branches.mamba_norm_out.': 'ssm.norm2.',
        'branches.mamba.': 'ssm.mamba.',
        'branches.conv.': 'ssm.conv_path.0.',
        'branches.project.': 'ssm.prompt_proj.',
        'branches.gate.': 'ssm.gate_net.',
        # DDER
        'router.prompt.': 'fc.',
        'router.score.weight': 'model.w_g',
        'router.noise.weight': 'model.w_n',
        'router.alpha': 'model.gate_boost',
        'router.prior_bias.': 'model.degra_proj.',
        'mixture.experts.': 'model.el.',
    }
)
# Matrices that the released code multiplies from the right, (in, out).
_TRANSPOSED = re.compile(r'mcdb\d\.model\.w_[gn]')
_LEFT_OUT = {
    re.compile(r'daclip\.'): 'of DA-CLIP, which irbox reads from its own file',
    re.compile(r'mcdb\d\.model\.(mean|std)$'): "constants of the routers' noise",
}


def convert(
    source: Path, target: Path, network: nn.Module, trust_pickle: bool = False
) -> Conversion:
    """Write the weights of M2Restore's released checkpoint as a checkpoint of irbox.

    Args:
        source: The Lightning file: ``state_dict`` with keys that start with ``net.``, beside those
            of DA-CLIP; other content (optimiser, loops) is not looked at. A bare state dict and
            ``.safetensors`` do too.
        target: A new file, ``.pth`` (``state_dict`` and ``meta``) or ``.safetensors``.
        network: The composition that the weights are for, on the meta device if you like: it says
            which weights there must be and of which shapes.
        trust_pickle: Read a file that asks to run code of its own: only if you trust its source.

    Raises:
        FileNotFoundError: The source, or the folder of the target, does not exist.
        ValueError: The target exists or has another suffix; the source is unreadable or would run
            code; or weights are missing, unknown or of another shape.
    """
    check_target(source, target)
    released = read_state_dict(source, 'm2restore', trust_pickle)
    own, left_out = rename(released, network, source)
    write_weights(own, source, target)
    return Conversion(len(own), sum(tensor.numel() for tensor in own.values()), left_out)


def rename(
    released: Mapping[str, Tensor], network: nn.Module, origin: str | Path
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The released weights under the network's names, in its shapes, in float32.

    A weight of a 1x1 convolution may be kept as a matrix and the other way round: both codes differ
    in that. ``w_g`` and ``w_n`` are transposed.

    Args:
        released: With or without a leading ``net.``.
        network: As for ``convert``.
        origin: Where the weights come from, for messages.

    Returns:
        The network's state dict; and why tensors were left out -> how many.

    Raises:
        ValueError: Weights are missing, unknown or of another shape; all are counted and the first
            few named as they are in the file.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    table = {released_name(key): key for key in shapes}
    given: dict[str, Tensor] = {}
    twice, unknown, misshapen = [], [], []
    left_out: dict[str, int] = {}
    for full, tensor in released.items():
        name = full.removeprefix('net.')
        reason = next((why for key, why in _LEFT_OUT.items() if key.match(name)), None)
        if reason is not None:
            left_out[reason] = left_out.get(reason, 0) + 1
        elif name not in table:
            unknown.append(full)
        elif name in given:
            twice.append(full)
        else:
            given[name] = tensor
    for name, tensor in given.items():
        shape = shapes[table[name]]
        wanted = shape[::-1] if _TRANSPOSED.fullmatch(name) else shape
        if _core(tuple(tensor.shape)) != _core(wanted):
            misshapen.append(f'{name} {tuple(tensor.shape)} instead of {wanted}')
    faults = {
        'missing': [name for name in table if name not in given],
        'unknown': unknown,
        'listed twice': twice,
        'of another shape': misshapen,
    }
    texts = [f'{len(names)} {fault} ({few(names)})' for fault, names in faults.items() if names]
    if texts:
        raise ValueError(
            f'{origin} does not hold the {len(table)} weights of the released M2Restore: '
            f'{"; ".join(texts)}. Nothing was written.'
        )
    return {
        # Into memory of its own: the tensors may be backed by the file.
        key: (given[name].T if _TRANSPOSED.fullmatch(name) else given[name])
        .float()
        .reshape(shapes[key])
        .clone(memory_format=torch.contiguous_format)
        for name, key in table.items()
    }, left_out


def released_name(key: str) -> str:
    """What the released code calls a weight of the network."""
    return published_name(key, _PLACES, _PARTS)


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the ones at its end."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
