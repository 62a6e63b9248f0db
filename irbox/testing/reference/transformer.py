"""Blocks of an attention and a feed-forward layer."""

from __future__ import annotations

from torch import Tensor

from irbox.blocks.mst_block import MSTBlock
from irbox.blocks.transformer_block import TransformerBlock
from irbox.structures import Context, Gate
from irbox.testing.reference.twins import twin_of


@twin_of(TransformerBlock)
class TextbookTransformerBlock(TransformerBlock):
    """``x + MDTA(LN(x))``, then ``x + GDFN(LN(x))`` (Restormer)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        x = x + self.attn(self.norm1(x))
        x = x + self.ffn(self.norm2(x))
        return x


@twin_of(MSTBlock)
class TextbookMSTBlock(MSTBlock):
    """``x + MSA(LN(x))``, then ``x + GDFN(LN(x))`` (M2IR, Sec. III-B)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""

        def record(gate: Tensor) -> None:
            context.record(Gate(gate, weighs='attention'))

        x = x + self.attn(self.norm1(x), record)
        x = x + self.ffn(self.norm2(x))
        return x
