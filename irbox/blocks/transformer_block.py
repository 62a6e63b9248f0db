"""Restormer's block."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.attention import TransposedAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.norm import LayerNorm2d
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from irbox.utils.bounded import PositiveFloat


@BLOCKS.register_module()
class TransformerBlock(nn.Module):
    """Channel attention (MDTA), then a gated feed-forward layer (GDFN), each normalised and added.

    Args:
        stage: Where the block sits.
        ratio: Expansion of the feed-forward layer.
        bias: Give the convolutions a bias, as MoCE-IR's encoder does.
        norm_bias: Give the norms a bias (Restormer's ``WithBias``). Without (``BiasFree``, its
            denoising) they do not subtract the mean either.
    """

    def __init__(
        self,
        stage: Stage,
        ratio: PositiveFloat = 2.66,
        bias: bool = False,
        norm_bias: bool = True,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(stage.dim, norm_bias)
        self.attn = TransposedAttention(stage.dim, stage.heads, bias)
        self.norm2 = LayerNorm2d(stage.dim, norm_bias)
        self.ffn = GatedFeedForward(stage.dim, ratio, bias)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        attended = self.attn.add_to(x, self.norm1)
        return self.ffn.add_to(attended, self.norm2, overwrite=attended is not x)
