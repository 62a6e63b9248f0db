"""The gated feed-forward layer."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from irbox.layers.feed_forward import GatedFeedForward
from irbox.testing.reference.twins import twin_of


@twin_of(GatedFeedForward)
class TextbookGatedFeedForward(GatedFeedForward):
    """GDFN: ``W0(gelu(Wd1 Wp1 x) * Wd2 Wp2 x)`` (Restormer, Eq. 2)."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> same shape."""
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        answer: Tensor = self.project_out(F.gelu(gate) * value)
        return answer
