"""M2Restore's released checkpoint, rewritten for the composition ``m2restore_official.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion.rename_weights import (
    FREQUENCY_PARTS,
    FREQUENCY_PLACES,
    UNET_PARTS,
    UNET_PLACES,
    Renamed,
    published_name,
    rename_weights,
)

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


def convert(released: Mapping[str, Tensor], network: nn.Module) -> Renamed:
    """Give the released weights of M2Restore the names of our composition.

    Args:
        released: The ``state_dict`` of the Lightning file, with or without a leading ``net.`` and
            the weights of DA-CLIP.
        network: What the weights are for; it may be on the meta device.

    Raises:
        ValueError: Weights are missing, unknown, listed twice or of another shape.
    """
    return rename_weights(
        released, network, released_name, 'the released M2Restore', _LEFT_OUT, _TRANSPOSED
    )


def released_name(key: str) -> str:
    """Give a weight of the network the name that the released code has for it."""
    return published_name(key, _PLACES, _PARTS)
