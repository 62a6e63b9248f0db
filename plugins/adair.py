"""AdaIR: a Restormer with a frequency block before each upsampling.

It needs no code: M2Restore took its decoder's frequency block from AdaIR, and irbox has it.

    _base_: [_base_/models/unet.yaml, ...]
    model: {network: {decoder: {before_upsample: {type: AdaptiveFrequencyBlock, mask: soft}}}}

What is here is the way from the released weights to this composition. They were trained with an
empty low band (``mask: box``) and name two layers that are never called:
``configs/plugins/adair_official.yaml`` is the composition that they are for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion import (
    FREQUENCY_PARTS,
    FREQUENCY_PLACES,
    UNET_PARTS,
    UNET_PLACES,
    published_name,
    rename_weights,
)

_PLACES = UNET_PLACES | FREQUENCY_PLACES
_PARTS = UNET_PARTS | FREQUENCY_PARTS
_UNUSED = re.compile(r'fre\d\.(conv|score_gen)\.')


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of AdaIR the names of a ``RestorationUNet``.

    The public code lets the layers that it names ``l`` serve the high band and those named ``h``
    the low one; that is undone here.

    Args:
        released: The ``state_dict`` of the released file, with or without a leading ``net.``.
        network: What the weights are for; it may be on the meta device. Without
            ``unused_weights`` the two layers of each block that are never called are left out.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    return rename_weights(released, network, _name, 'AdaIR', _UNUSED)


def _name(key: str) -> str:
    return published_name(key, _PLACES, _PARTS)
