"""MODEM's released weights under our names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion import published_name, rename_weights

_GROUPS = {
    'encoders.0.': 'G.down_layer1.',
    'encoders.1.': 'G.down_layer2.',
    'encoders.2.': 'G.down_layer3.',
    'bottleneck.': 'G.latent.',
    'decoders.0.': 'G.up_layer3.',
    'decoders.1.': 'G.up_layer2.',
    'decoders.2.': 'G.up_layer1.',
    'refinement.': 'G.refinement.',
}
# Ours -> published, see published_name.
_PLACES = {
    'embed.': 'G.conv_first.',
    'output.': 'G.conv_last.',
    'downs.0.0.': 'G.downsample1_2.body.0.',
    'downs.1.0.': 'G.downsample2_3.body.0.',
    'downs.2.0.': 'G.downsample3_4.body.0.',
    'ups.0.0.': 'G.upsample4_3.body.0.',
    'ups.1.0.': 'G.upsample3_2.body.0.',
    'ups.2.0.': 'G.upsample2_1.body.0.',
    'reduces.0.': 'G.reduce3.',
    'reduces.1.': 'G.reduce2.',
    'prompt.embed.': 'E.conv_first.',
    'prompt.body.blocks.': 'E.layers.',
    'prompt.body.conv.': 'E.conv_after_body.',
    'prompt.mlp.': 'E.mlp.',
    'prompt.to_vector.': 'E.compress.',
    'prompt.first.': 'E.kernel1.0.',
    'prompt.second.': 'E.kernel2.0.',
}
for _ours, _theirs in _GROUPS.items():
    _PLACES[f'{_ours}blocks.'] = f'{_theirs}residual_group.blocks.'
    _PLACES[f'{_ours}conv.'] = f'{_theirs}conv.'
_PARTS = {
    'norm1.': 'ln_1.',
    'norm2.': 'ln_2.',
    'skip1': 'skip_scale',
    'skip2': 'skip_scale2',
    'conv.convs.': 'conv_blk.cab.',
    'conv.gate.': 'conv_blk.cab.3.attention.',
    'scan.conv.': 'modem_ss2d.conv2d.',
    'scan.scale.': 'modem_ss2d.deg_scale.0.',
    'scan.shift.': 'modem_ss2d.deg_bias.0.',
    'scan.of_channels.': 'modem_ss2d.kernel1.0.',
    'scan.of_coefficients.': 'modem_ss2d.kernel2.0.',
    'scan.projection': 'modem_ss2d.x_proj_weight',
    'scan.dt_weight': 'modem_ss2d.dt_projs_weight',
    'scan.dt_bias': 'modem_ss2d.dt_projs_bias',
    'scan.A_log': 'modem_ss2d.A_logs',
    'scan.D': 'modem_ss2d.Ds',
    'scan.norm.': 'modem_ss2d.out_norm.',
    'scan.': 'modem_ss2d.',
}


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of MODEM's second stage the names of a ``MODEM``.

    Args:
        released: What the released file holds under ``params``.
        network: What the weights are for; it may be on the meta device.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    return rename_weights(released, network, _name, 'MODEM')


def _name(key: str) -> str:
    return published_name(key, _PLACES, _PARTS)
