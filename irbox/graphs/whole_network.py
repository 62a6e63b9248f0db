"""A network and all that is done around it, for other programs: tensors in, tensors out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from irbox.layers.standard_operators import counted
from irbox.structures import Context, DegradationPrior

MOST_BLOCKS = 2**16
"""Of a network's multiple, that a side is padded to."""


class GivenPrior(nn.Module):
    """Stands where a network's prior stood, and says what it was told."""

    def __init__(self, prior: Any) -> None:
        super().__init__()
        self.feature_dim, self.num_degradations = prior.feature_dim, prior.num_degradations
        self.belief: DegradationPrior | None = None

    def forward(self, image: Tensor) -> DegradationPrior:
        """Give what was told."""
        assert self.belief is not None
        return self.belief


class WholeNetwork(nn.Module):
    """Pads, restores and crops, all by operations that have a place in a graph.

    ``RestorationNetwork.forward`` pads by Python's decisions, which a graph would take once and for
    all.

    Args:
        network: A ``RestorationNetwork``; its prior may be a ``GivenPrior``.
        clip: Clip the answer to 0 to 1.
    """

    def __init__(self, network: Any, clip: bool = False) -> None:
        super().__init__()
        self.network, self.clip = network, clip

    def forward(
        self,
        image: Tensor,
        features: Tensor | None = None,
        probabilities: Tensor | None = None,
        content: Tensor | None = None,
    ) -> Tensor:
        """Restore images.

        Args:
            image: (B, 3, H, W), RGB, 0 to 1.
            features: (B, F), what the prior says, where the network's is a ``GivenPrior``.
            probabilities: (B, D), likewise.
            content: (B, F), likewise.

        Returns:
            (B, 3, H, W).
        """
        network = self.network
        if features is not None and probabilities is not None and content is not None:
            network.prior.belief = DegradationPrior(features, probabilities, content)
        answer = restore_padded(network, image, network.describe(image))
        return answer.clamp(0, 1) if self.clip else answer


def restore_padded(network: Any, image: Tensor, context: Context) -> Tensor:
    """Pad, restore and crop, (B, 3, H, W) -> the same shape, by operations of a graph.

    Args:
        network: A ``RestorationNetwork``.
        image: RGB, 0 to 1.
        context: What is known of it.
    """
    height, width = image.shape[-2:]
    padded = pad_to_multiple(network.scale(image), network.multiple)
    padded = padded.contiguous(memory_format=torch.channels_last)
    answer: Tensor = network.restore(padded, replace(context, image=padded))
    return answer[..., :height, :width]


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Do what ``irbox.layers.padding.pad_to_multiple`` does, deciding while the graph runs.

    (B, C, H, W) -> (B, C, H', W').
    """
    plain, mirrored = [], []
    for size in image.shape[-2:]:
        blocks = counted((size + multiple - 1) // multiple, 1, MOST_BLOCKS)
        torch._check(blocks * multiple >= size)
        place = torch.arange(blocks * multiple, device=image.device)
        plain.append(place.clamp(max=size - 1))
        mirrored.append(size - 1 - (size - 1 - place).abs())
    # Reflection reaches as far as the image does; of one that is too small edges are repeated.
    reflects = (mirrored[0].amin(0) >= 0) & (mirrored[1].amin(0) >= 0)
    rows, columns = (
        torch.where(reflects, mirror, edge) for mirror, edge in zip(mirrored, plain, strict=True)
    )
    return image.index_select(2, rows).index_select(3, columns)
