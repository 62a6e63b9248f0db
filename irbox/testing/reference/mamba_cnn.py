"""M2Restore's bottleneck."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.blocks.mamba_cnn_block import DualBranch, MambaCNNBlock
from irbox.structures import Context, Gate
from irbox.testing.reference.twins import as_map, as_sequence, twin_of


@twin_of(DualBranch)
class TextbookDualBranch(DualBranch):
    """A Mamba and a convolution branch, and the gate that mixes them (M2Restore, Eq. 12-17)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        local = F.gelu(self.conv(x if self.conv_norm is None else self.conv_norm(x)))
        sequence = as_sequence(self.mamba_norm_in(x))
        distant = self.mamba_norm_out(as_map(self.mamba(sequence), x.shape[-2:]))
        if self.gate is None:
            answer: Tensor = (local + distant) / 2
            return answer
        seen = x.permute(0, 2, 3, 1)
        if self.project is not None:
            belief = getattr(context.prior, self.prior_feature).to(self.gate[0].weight)
            belief = self.project(belief).to(x.dtype)
            belief = belief[:, None, None].expand(*seen.shape[:3], -1)
            seen = torch.cat([seen, belief], dim=-1)
        gate = torch.sigmoid(self.gate(seen)).permute(0, 3, 1, 2)
        context.record(Gate(gate, weighs=self.gate_on))
        first, second = (local, distant) if self.gate_on == 'cnn' else (distant, local)
        mixed: Tensor = gate * first + (1 - gate) * second
        return mixed


@twin_of(MambaCNNBlock)
class TextbookMambaCNNBlock(MambaCNNBlock):
    """Both branches, then the feed-forward layer, each normalised and added."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(B, C, H, W) -> same shape."""
        x = x + self.branches(self.norm1(x), context)
        x = x + self.ffn(self.norm2(x))
        return x
