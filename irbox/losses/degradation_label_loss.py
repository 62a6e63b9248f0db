"""Teaches a learned prior the names of the degradations."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from irbox.registry import LOSSES
from irbox.structures import Context
from irbox.utils.bounded import NonNegativeFloat
from irbox.utils.on_device import sent


@LOSSES.register_module()
class DegradationLabelLoss(nn.Module):
    """Cross-entropy between the prior's probabilities and the degradation an image really has.

    A label of several degradations joined by ``_`` (``low_haze``) spreads its probability evenly
    over them.

    Args:
        names: Degradations, in the order of the prior's probabilities. A name may hold ``_``
            itself: the longest that fits is taken.
        weight: Factor.
    """

    compares_images = False

    def __init__(
        self, names: Annotated[list[str], MinLen(1)], weight: NonNegativeFloat = 0.1
    ) -> None:
        super().__init__()
        self.names, self.weight = list(names), weight

    def forward(self, restored: Tensor, target: Tensor, context: Context) -> Tensor:
        """Judge the prior in ``context`` against the labels of the B images.

        Raises:
            ValueError: There is no prior, its size differs from ``names``, the data have no labels
                or one names an unknown degradation.
        """
        if context.labels is None:
            raise ValueError('DegradationLabelLoss needs a data set that gives `label`.')
        if context.prior is None:
            raise ValueError(
                'DegradationLabelLoss needs a network with a prior. Add one, or leave the loss '
                'out: null in its place.'
            )
        probabilities = context.prior.probabilities
        if probabilities.shape[1] != len(self.names):
            raise ValueError(
                f'The prior tells {probabilities.shape[1]} degradations apart, '
                f'the loss names {len(self.names)}: {", ".join(self.names)}. '
                'Set num_degradations to match.'
            )
        wanted = self.wanted_of_labels(context.labels, probabilities)
        return -self.weight * (wanted * probabilities.clamp_min(1e-30).log()).sum(1).mean()

    def wanted_of_labels(self, labels: list[str], like: Tensor) -> Tensor:
        """Say what the probabilities of images with these labels should be.

        What reads words cannot be part of a CUDA graph: a step that is captured as one asks for
        this by itself.

        Args:
            labels: B of them.
            like: Gives device and type.

        Returns:
            (B, D), on the device before anything that is asked of it from now on.
        """
        shares = torch.tensor([self._spread(one) for one in labels], dtype=like.dtype, device='cpu')
        return sent(shares, like)

    def _spread(self, label: str) -> list[float]:
        parts, rest = [], label.split('_')
        while rest:
            # The longest name first: `low_light_haze` is low_light and haze, not low and so on.
            for size in range(len(rest), 0, -1):
                if (part := '_'.join(rest[:size])) in self.names:
                    break
            else:
                raise ValueError(
                    f'The label {label!r} names {rest[0]}, which is none of '
                    f'{", ".join(self.names)}. Give the source of these images one of them as its '
                    f'`label`, add {rest[0]} to the `names` of the loss and to what the prior '
                    'tells apart, or leave the loss out: null in its place.'
                )
            parts.append(part)
            rest = rest[size:]
        return [parts.count(name) / len(parts) for name in self.names]
