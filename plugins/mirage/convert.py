"""MIRAGE's released weights under our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion import UNET_PARTS, UNET_PLACES, published_name, rename_weights

# Ours -> published, see published_name.
_PLACES = UNET_PLACES | {
    'before_upsamples.0.conv.': 'reduce_dim_level3.',
    'head.reduce_shallow.': 'reduce_shallow.',
    'head.reduce_deep.': 'reduce_latent.',
    'head.embed_shallow.': 'spd_proj_shallow.',
    'head.embed_deep.': 'spd_proj_latent.',
}
_PARTS = UNET_PARTS | {
    'attn.attention.': 'attn.',
    'attn.alpha_attention': 'attn.alpha_att',
    'attn.gated.project_in.': 'attn.gatedcnn.gic1.',
    'attn.gated.make_kernel.': 'attn.gatedcnn.kernel_generator.',
    'attn.gated.project_out.': 'attn.gatedcnn.gic2.',
    'attn.gated.output.': 'attn.gatedcnn.proj_out.',
    'attn.gated.': 'attn.gatedcnn.',
}


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of MIRAGE the names of a ``MIRAGE``.

    Args:
        released: The ``state_dict`` of the released file, with or without a leading ``net.``.
        network: What the weights are for; it may be on the meta device.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    return rename_weights(released, network, _name, 'MIRAGE')


def _name(key: str) -> str:
    return published_name(key, _PLACES, _PARTS)
