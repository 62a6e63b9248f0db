"""The released weights of Histoformer and HOGformer under our names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion import UNET_PLACES, published_name, rename_weights

# Ours -> published, see published_name. The reductions with an underscore are the encoder's.
_PLACES = UNET_PLACES | {f'joins.{level}.': f'reduce_chan_level_{level + 1}.' for level in range(3)}
_PLACES |= {f'copies.{level}.': f'skip_patch_embed{level + 1}.proj.' for level in range(3)}
_FEED_FORWARD = {
    'ffn.near.': 'ffn.dwconv_5.',
    'ffn.far.': 'ffn.dwconv_dilated2_1.',
    'ffn.refine.scale': 'ffn.sigma.scale',
    'ffn.refine.decompose.': 'ffn.decompose.',
}
_PARTS = {'attn.attend.': 'attn_g.', 'attn.': 'attn_g.'} | _FEED_FORWARD
_GRADIENT_PARTS = {'attn.attend.': 'attn_g_spatial.', 'attn.': 'attn_g_spatial.'} | _FEED_FORWARD
# Sobel's filters, which are no weights.
_LEFT_OUT = re.compile(r'.+\.attn_g_spatial\.sobel_[xy]$')


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of Histoformer or HOGformer the names of a ``Histoformer``.

    Which of the two it is, is told by the network's blocks.

    Args:
        released: What the released file holds under ``params`` or ``state_dict``, with or without a
            leading ``net.``. HOGformer's filters for gradients are left out.
        network: What the weights are for; it may be on the meta device.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    by_gradients = any(key.endswith('attn.bin_proj.weight') for key in network.state_dict())
    parts = _GRADIENT_PARTS if by_gradients else _PARTS

    def theirs(key: str) -> str:
        return published_name(key, _PLACES, parts)

    system = 'HOGformer' if by_gradients else 'Histoformer'
    return rename_weights(released, network, theirs, system, _LEFT_OUT)
