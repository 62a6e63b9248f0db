"""Published weights under the names of ours: what several systems share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from irbox.utils.weights import misfits

NO_USE = 'that the composition has no use for'

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
    """Give a weight of the network the name that a published file has for it.

    Examples:
        >>> published_name('encoders.0.2.norm1.weight', UNET_PLACES, UNET_PARTS)
        'encoder_level1.2.norm1.body.weight'

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


class Renamed(dict[str, Tensor]):
    """The state dict of a network, and what of the released weights is not in it."""

    left_out: Mapping[str, int]
    """Why tensors were left out -> how many."""


def rename_weights(
    released: Mapping[str, Tensor],
    network: nn.Module,
    name_of: Callable[[str], str],
    system: str,
    left_out: re.Pattern[str] | Mapping[re.Pattern[str], str] | None = None,
    transposed: re.Pattern[str] | None = None,
) -> Renamed:
    """Give published weights the network's names, its shapes, and float32 where they are real.

    Ones at the ends of a shape do not count: a 1x1 convolution may be kept as a matrix, or the
    other way round.

    Examples:
        >>> released = {'net.head.weight': torch.ones(4, 3, 1, 1)}
        >>> network = nn.Sequential(nn.Linear(3, 4, bias=False))
        >>> def name_of(key):
        ...     return key.replace('0.', 'head.')
        >>> own = rename_weights(released, network, name_of, 'an example')
        >>> {key: tuple(tensor.shape) for key, tensor in own.items()}
        {'0.weight': (4, 3)}

    Args:
        released: Names with or without a leading ``net.`` or ``module.``.
        network: Which weights there must be and of which shapes; on the meta device if you like.
        name_of: Our key -> what the published file calls it.
        system: For messages.
        left_out: Matches the start of published names that the network may do without. Several
            patterns come with the reason why.
        transposed: Matches published names of matrices that are multiplied from the right,
            (in, out).

    Raises:
        ValueError: Weights are missing, unknown, listed twice or of another shape; all are counted
            and the first few named as they are in the file.
    """
    reasons = {left_out: NO_USE} if isinstance(left_out, re.Pattern) else dict(left_out or {})
    own = network.state_dict()
    table = {name_of(key): key for key in own}
    turned = {name for name in table if transposed is not None and transposed.fullmatch(name)}
    wanted = {name: own[key].T if name in turned else own[key] for name, key in table.items()}
    given: dict[str, Tensor] = {}
    twice, without = [], Counter[str]()
    for full, tensor in released.items():
        name = re.sub(r'^(module\.)?(net\.)?', '', full)
        reason = next((why for pattern, why in reasons.items() if pattern.match(name)), None)
        if reason is not None and name not in table:
            without[reason] += 1
        elif name in given:
            twice.append(name)
        else:
            given[name] = tensor
    if faults := misfits(wanted, given, _core, twice):
        raise ValueError(
            f'These are not the {len(table)} weights of {system} that the network needs: {faults}.'
        )
    # Into memory of its own: the tensors may be backed by a file.
    renamed = Renamed()
    for name, key in table.items():
        tensor = given[name].reshape(wanted[name].shape)
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        tensor = tensor.T if name in turned else tensor
        renamed[key] = tensor.clone(memory_format=torch.contiguous_format)
    renamed.left_out = dict(without)
    return renamed


def _core(tensor: Tensor) -> tuple[int, ...]:
    """Give a shape without the ones at its ends."""
    shape = tuple(tensor.shape)
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape
