"""Experts on whole maps."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from irbox.experts.gated_expert import GatedExpert
from irbox.experts.mlp_expert import MLPExpert
from irbox.testing.reference.twins import as_map, as_sequence, twin_of


@twin_of(MLPExpert)
class TextbookMLPExpert(MLPExpert):
    """``W2 gelu(W1 x)`` for every pixel of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same shape."""
        pixels = self.fc2(F.gelu(self.fc1(as_sequence(x))))
        return as_map(pixels, x.shape[-2:])


@twin_of(GatedExpert)
class TextbookGatedExpert(GatedExpert):
    """``W3(gelu(W1 x) * W2 x)`` for every pixel of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same shape."""
        gate, value = self.fc1(as_sequence(x)).chunk(2, dim=-1)
        pixels = self.fc2(F.gelu(gate) * value)
        return as_map(pixels, x.shape[-2:])
