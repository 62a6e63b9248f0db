"""Restormer: the plain U at full size.

It needs no code: every system here starts from its U.

    _base_: [_base_/models/restormer.yaml, ...]

What is here is the way from the released weights to this composition. Those for denoising have
norms without a bias, ``_base_/models/restormer_bias_free.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion import UNET_PARTS, UNET_PLACES, published_name, rename_weights


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of Restormer the names of a ``RestorationUNet``.

    Args:
        released: What the released file holds under ``params``.
        network: What the weights are for; it may be on the meta device.

    Raises:
        ValueError: Weights are missing, unknown or of another shape. Biases of norms that are
            unknown or missing mean that the file is for the other of the two networks.
    """
    return rename_weights(released, network, _name, 'Restormer')


def _name(key: str) -> str:
    return published_name(key, UNET_PLACES, UNET_PARTS)
