"""Published weights under the names of ours: what several systems share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from irbox import __version__
from irbox.engine.checkpoint import write_checkpoint
from irbox.utils.files import atomic_write

SUFFIXES = ('.pth', '.safetensors')
PREFIX = 'network.'
"""Where ``Restorer`` keeps its network."""

# Ours -> published: where a weight sits in a Restormer-like U.
UNET_PLACES = {
    'embed.': 'patch_embed.proj.',
    'encoders.0.': 'encoder_level1.',
    'encoders.1.': 'encoder_level2.',
    'encoders.2.': 'encoder_level3.',
    'downs.0.0.': 'down1_2.body.0.',
    'downs.1.0.': 'down2_3.body.0.',
    'downs.2.0.': 'down3_4.body.0.',
    'bottleneck.': 'latent.',
    'ups.0.0.': 'up4_3.body.0.',
    'ups.1.0.': 'up3_2.body.0.',
    'ups.2.0.': 'up2_1.body.0.',
    'reduces.0.': 'reduce_chan_level3.',
    'reduces.1.': 'reduce_chan_level2.',
    'decoders.0.': 'decoder_level3.',
    'decoders.1.': 'decoder_level2.',
    'decoders.2.': 'decoder_level1.',
    'refinement.': 'refinement.',
    'output.': 'output.',
}
# Ours -> published: what it does there, behind the number of the block. Parts that are not listed
# have the same name in both.
UNET_PARTS = {'norm1.': 'norm1.body.', 'norm2.': 'norm2.body.'}
# AdaptiveFrequencyBlock
FREQUENCY_PLACES = {
    'before_upsamples.0.0.': 'fre1.',
    'before_upsamples.1.0.': 'fre2.',
    'before_upsamples.2.0.': 'fre3.',
}
FREQUENCY_PARTS = {
    'alpha': 'para1',
    'beta': 'para2',
    'embed.': 'conv1.',
    'split.rate_conv.': 'rate_conv.',
    # Not a slip: the released code lets the weights named `l` serve the high band.
    'attend_high.': 'channel_cross_l.',
    'attend_low.': 'channel_cross_h.',
    'attend.': 'channel_cross_agg.',
    'modulate.channel_gate.': 'frequency_refine.ChannelGate.mlp.',
    'modulate.spatial_gate.': 'frequency_refine.SpatialGate.spatial.',
    'modulate.proj.': 'frequency_refine.proj.',
}


def published_name(key: str, places: Mapping[str, str], parts: Mapping[str, str]) -> str:
    """What a published file calls a weight of the network.

    Args:
        key: Ours: a place, the number of a block where the place is a chain, a part, the rest.
        places: Ours -> published, prefixes of keys.
        parts: Ours -> published, prefixes of what follows place and number.
    """
    place = next((place for place in places if key.startswith(place)), '')
    rest = key.removeprefix(place)
    numbered = re.match(r'\d+\.', rest)  # a block in its chain
    block = numbered[0] if numbered else ''
    rest = rest.removeprefix(block)
    part = next((part for part in parts if rest.startswith(part)), '')
    return places.get(place, '') + block + parts.get(part, '') + rest.removeprefix(part)


def rename_weights(
    released: Mapping[str, Tensor],
    network: nn.Module,
    name_of: Callable[[str], str],
    system: str,
    left_out: re.Pattern[str] | None = None,
) -> dict[str, Tensor]:
    """Published weights under the network's names, in its shapes, in float32.

    Ones at the ends of a shape do not count: a 1x1 convolution may be kept as a matrix, or the
    other way round.

    Args:
        released: Names with or without a leading ``net.`` or ``module.``.
        network: Which weights there must be and of which shapes; on the meta device if you like.
        name_of: Our key -> what the published file calls it.
        system: For messages.
        left_out: Matches the start of published names that the network may do without.

    Raises:
        ValueError: Weights are missing, unknown or of another shape; all are counted and the first
            few named as they are in the file.
    """
    given = {re.sub(r'^(module\.)?(net\.)?', '', name): value for name, value in released.items()}
    own = network.state_dict()
    table = {name_of(key): key for key in own}
    faults = {
        'missing': [name for name in table if name not in given],
        'unknown': [
            name
            for name in given
            if name not in table and not (left_out is not None and left_out.match(name))
        ],
        'of another shape': [
            f'{name} {tuple(given[name].shape)} instead of {tuple(own[key].shape)}'
            for name, key in table.items()
            if name in given and _core(given[name]) != _core(own[key])
        ],
    }
    texts = [
        f'{len(names)} {fault} ({", ".join(sorted(names)[:3])}{", ..." if len(names) > 3 else ""})'
        for fault, names in faults.items()
        if names
    ]
    if texts:
        raise ValueError(
            f'These are not the {len(table)} weights of {system} that the network needs: '
            f'{"; ".join(texts)}.'
        )
    return {
        # Into memory of its own: the tensors may be backed by a file.
        key: given[name]
        .float()
        .reshape(own[key].shape)
        .clone(memory_format=torch.contiguous_format)
        for name, key in table.items()
    }


def _core(tensor: Tensor) -> tuple[int, ...]:
    """A shape without the ones at its ends."""
    shape = tuple(tensor.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


@dataclass(frozen=True)
class Conversion:
    """What was done to a file."""

    tensors: int
    parameters: int
    left_out: dict[str, int] = field(default_factory=dict)
    """Why tensors were left out -> how many."""


def check_target(source: Path, target: Path) -> None:
    """Refuse a conversion that cannot end well, before anything is read.

    Raises:
        FileNotFoundError: The source, or the folder of the target, does not exist.
        ValueError: The target exists or has a suffix that is not known.
    """
    if not source.is_file():
        raise FileNotFoundError(f'There is no file {source}.')
    if target.suffix not in SUFFIXES:
        raise ValueError(f'The output must be named {" or ".join(SUFFIXES)}, got {target}.')
    if target.exists():
        raise ValueError(f'{target} exists. Remove it or choose another name.')
    if not target.parent.is_dir():
        raise FileNotFoundError(f'There is no folder {target.parent}.')


def write_weights(own: Mapping[str, Tensor], source: Path, target: Path) -> None:
    """Write a network's weights as a checkpoint of irbox, ``.pth`` or ``.safetensors``."""
    weights = {PREFIX + key: tensor for key, tensor in own.items()}
    meta = {'source': source.name, 'irbox_version': __version__}
    if target.suffix == '.pth':
        write_checkpoint({'meta': meta, 'state_dict': weights}, target)
    else:
        with atomic_write(target) as file:
            file.write(save(weights, meta))
