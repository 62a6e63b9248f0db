"""Histoformer's block."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from irbox.utils.bounded import PositiveFloat

from .attention import PlainNorm, SortedAttention, unsort
from .feed_forward import DualScaleFeedForward


class HistogramAttention(SortedAttention):
    """Sorts by value: half of the channels along columns and rows, values each by itself."""

    def rearrange(self, half: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Sort each column, then each row, (B, C/2, H, W)."""
        half, of_columns = half.sort(dim=-2)
        half, of_rows = half.sort(dim=-1)
        return half, (of_columns, of_rows)

    def restore(self, half: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        """Undo ``rearrange``."""
        of_columns, of_rows = kept
        return unsort(unsort(half, of_rows, -1), of_columns, -2)

    def order(self, value: Tensor) -> Tensor:
        """Give each channel's ascending order, (B, C, H, W) -> (B, C, H * W)."""
        return value.flatten(2).argsort(dim=-1)


@BLOCKS.register_module()
class HistogramBlock(nn.Module):
    """Attention between bins of pixels sorted by value (Histoformer, ECCV 2024).

    ``x + A(LN x)``, then ``x + F(LN x)``; the norms have no weights. Sorting is not continuous:
    where values are nearly equal, rounding decides the order, and with it much of the answer.

    Args:
        stage: Where the block sits; its width is a multiple of 12 and of twice the heads.
        ratio: Expansion of the feed-forward layer.
    """

    attention: type[SortedAttention] = HistogramAttention

    def __init__(self, stage: Stage, ratio: PositiveFloat = 2.667) -> None:
        super().__init__()
        self.norm = PlainNorm()
        self.attn = self.attention(stage.dim, stage.heads)
        self.ffn = DualScaleFeedForward(stage.dim, ratio)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        x = x + self.attn(self.norm(x))
        answer: Tensor = x + self.ffn(self.norm(x))
        return answer
