"""Blocks one after the other."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.structures import Context


class Chain(nn.ModuleList):
    """Blocks one after the other, each given the same context.

    ``nn.Sequential`` passes one argument only.
    """

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Run the blocks in order, (B, C, H, W) -> same shape."""
        for block in self:
            x = block(x, context)
        return x
