"""M2IR's block."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.mamba_style_attention import MambaStyleAttention, MaskMode
from irbox.layers.norm import LayerNorm2d
from irbox.registry import BLOCKS
from irbox.structures import Context, Gate, Stage
from irbox.utils.bounded import PositiveFloat


@BLOCKS.register_module()
class MSTBlock(nn.Module):
    """Mamba-style attention, then a gated feed-forward layer, each normalised and added.

    M2IR, Sec. III-B (MST). The attention's gate map is recorded in the context where it is asked
    for.

    Args:
        stage: Where the block sits.
        ratio: Expansion of the feed-forward layer.
        mask_mode: See ``MambaStyleAttention``.
        separable: See ``MambaStyleAttention``.
        projection: See ``MambaStyleAttention``.
    """

    def __init__(
        self,
        stage: Stage,
        ratio: PositiveFloat = 2.66,
        mask_mode: MaskMode = 'input',
        separable: bool = False,
        projection: bool = True,
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(stage.dim)
        self.attn = MambaStyleAttention(stage.dim, stage.heads, mask_mode, separable, projection)
        self.norm2 = LayerNorm2d(stage.dim)
        self.ffn = GatedFeedForward(stage.dim, ratio)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""

        def record(gate: Tensor) -> None:
            context.record(Gate(gate, weighs='attention'))

        attended = self.attn.add_to(x, self.norm1, record if context.keeps_gates else None)
        return self.ffn.add_to(attended, self.norm2, overwrite=attended is not x)
