"""What is left alone: an image that needs nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

CLEAN = 'clean'
"""What an image suffers from that needs nothing."""
TINY = 1e-12
"""Below every change: what nobody believes to be clean is changed as the network says."""


class LeastChange(nn.Module):
    """Takes back a small change of an image that is believed to be clean.

    A network that is given a clean image makes small errors, and makes them again each time. Here
    the change of an image has to be worth it: it is taken back whole where its root mean square is
    at most ``levels`` of 255 times the probability of a clean image, it is kept whole from twice as
    much on, to the bit, and between them a part of it is (3 u^2 - 2 u^3). An image that is surely
    not clean, by what a prior believes or was told, is changed as the network says, however little.

    Args:
        levels: Root mean square over pixels and channels, in levels of 8 bits, up to which the
            change of an image that is clean for certain is taken back.
        labels: What each of the probabilities is of; one is ``clean``.

    Raises:
        ValueError: ``levels`` is no number above 0, or no label is ``clean``.

    Examples:
        >>> import torch
        >>> change = torch.full((2, 3, 8, 8), 1 / 255)  # by one level
        >>> believed = torch.tensor([[0.1, 0.9], [0.9, 0.1]])  # rain, clean
        >>> left = LeastChange(levels=2, labels=['rain', 'clean'])(change, believed)
        >>> left[0].abs().max().item(), torch.equal(left[1], change[1])
        (0.0, True)
    """

    def __init__(self, levels: float, labels: Sequence[str]) -> None:
        super().__init__()
        if not 0 < levels < math.inf:
            raise ValueError(f'least_change={levels!r} must be a number from 0 up.')
        if CLEAN not in labels:
            raise ValueError(
                f'least_change={levels} asks a prior whether an image is {CLEAN}, and none of its '
                f'labels says so: {", ".join(labels) or "there are none"}. Give the network a '
                f'prior with {CLEAN!r} among its `labels`, or leave least_change out.'
            )
        self.levels, self.clean = levels, list(labels).index(CLEAN)

    def forward(self, change: Tensor, probabilities: Tensor) -> Tensor:
        """Weaken changes.

        Args:
            change: (B, C, H, W), what is to be added to images in 0 to 1.
            probabilities: (B, D) or (1, D), of a ``DegradationPrior``.

        Returns:
            The same shape and type.
        """
        size = change.float().square().mean((1, 2, 3)).sqrt()
        least = probabilities[:, self.clean].float() * (self.levels / 255)
        share = (size / least.clamp(min=TINY) - 1).clamp(0, 1)
        kept = share * share * (3 - 2 * share)
        return change * kept.to(change.dtype)[:, None, None, None]

    def extra_repr(self) -> str:
        """Say what it was built with."""
        return f'levels={self.levels}, clean={self.clean}'
