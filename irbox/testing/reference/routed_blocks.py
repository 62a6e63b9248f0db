"""Blocks whose pixels go to experts."""

from __future__ import annotations

from torch import Tensor

from irbox.blocks.adec import ADEC
from irbox.blocks.dder import DDER
from irbox.structures import Context
from irbox.testing.reference.twins import twin_of


@twin_of(DDER)
class TextbookDDER(DDER):
    """``x + mixture(x, router(x))`` (M2Restore, Sec. III-B)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        routing = self.router(x, context)
        context.record(routing)
        answer: Tensor = x + self.mixture(x, routing)
        return answer


@twin_of(ADEC)
class TextbookADEC(ADEC):
    """``x + CA(x, fuse(W'd mixture(x)))`` (M2IR, Eq. 3-7)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        routing = self.router(x, context)
        context.record(routing)
        mixed = self.mixture(x, routing)
        answer: Tensor = self.attend(x, self.fuse(self.dwconv(mixed), context))
        if self.residual == 'none':
            return answer
        if self.residual == 'gated':
            return self.beta * x + self.alpha * answer
        return x + answer
