"""M2Restore's bottleneck block."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.depthwise_conv import convolve_depthwise
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.fused import mamba as fused
from irbox.layers.fused.switch import can_run_fused
from irbox.layers.mamba import Mamba
from irbox.layers.norm import LayerNorm2d
from irbox.layers.plain import is_watched
from irbox.layers.selective_scan.dispatch import Backend
from irbox.registry import BLOCKS
from irbox.structures import Context, Gate, Stage
from irbox.utils.bounded import PositiveFloat


def _perceptron(layers: int, sizes: tuple[int, int, int]) -> nn.Sequential:
    """One linear layer, or two with GELU between."""
    dim_in, hidden, dim_out = sizes
    if layers == 1:
        return nn.Sequential(nn.Linear(dim_in, dim_out))
    return nn.Sequential(nn.Linear(dim_in, hidden), nn.GELU(), nn.Linear(hidden, dim_out))


class DualBranch(nn.Module):
    """A Mamba and a convolution branch, mixed by a gate (Eq. 12-17). Options as in the block."""

    def __init__(
        self,
        stage: Stage,
        *,
        gate: Literal['edge_aware', 'mean'],
        gate_on: Literal['cnn', 'mamba'],
        gate_layers: int,
        gate_channels: int | None,
        projection_layers: int,
        prior_feature: Literal['features', 'content'],
        conv_norm: bool,
        backend: str,
    ) -> None:
        super().__init__()
        dim = stage.dim
        self.gate_on, self.prior_feature = gate_on, prior_feature
        self.mamba_norm_in = LayerNorm2d(dim)
        self.mamba = Mamba(dim, backend=backend)
        self.mamba_norm_out = LayerNorm2d(dim)
        self.conv_norm = LayerNorm2d(dim) if conv_norm else None
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.gate: nn.Sequential | None = None
        self.project: nn.Sequential | None = None
        if gate == 'edge_aware':
            joint = dim
            if stage.prior_dim:
                self.project = _perceptron(projection_layers, (stage.prior_dim, 4 * dim, dim))
                joint = 2 * dim
            self.gate = _perceptron(gate_layers, (joint, dim, gate_channels or dim))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Mix the branches' answers to a normalised map, (B, C, H, W) -> same shape."""
        calm = x if self.conv_norm is None else self.conv_norm(x)
        local = F.gelu(convolve_depthwise(self.conv, calm))
        height, width = x.shape[-2:]
        # The raster scan of the paper: row after row.
        sequence = self.mamba_norm_in(x).flatten(2).transpose(1, 2)
        scanned = self.mamba(sequence).transpose(1, 2).unflatten(2, (height, width))
        distant = self.mamba_norm_out(scanned)
        if self.gate is None:
            answer: Tensor = (local + distant) / 2
            return answer
        gate = self._open(self.gate, x, context).sigmoid().permute(0, 3, 1, 2)
        context.record(Gate(gate, weighs=self.gate_on))
        first, second = (local, distant) if self.gate_on == 'cnn' else (distant, local)
        mixed: Tensor = gate * first + (1 - gate) * second
        return mixed

    def add_to(self, x: Tensor, norm: LayerNorm2d, context: Context) -> Tensor:
        """Compute ``x + self(norm(x), context)``, (B, C, H, W) -> same shape."""
        ours = type(self).forward is DualBranch.forward and type(self.mamba) is Mamba
        if not (ours and can_run_fused(x, self, norm) and fused.can_scan(self.mamba, x)):
            answer: Tensor = x + self(norm(x), context)
            return answer
        belief = None if self.project is None else getattr(context.prior, self.prior_feature)
        answer, gate = fused.dual_branch(self, x, norm, belief)
        if gate is not None:
            context.record(Gate(gate, weighs=self.gate_on))
        return answer

    def _open(self, gate: nn.Sequential, x: Tensor, context: Context) -> Tensor:
        """Ask the gate of each pixel, which sees the prior's belief beside it, (B, H, W, ...)."""
        pixels = x.permute(0, 2, 3, 1)
        if self.project is None:
            answer: Tensor = gate(pixels)
            return answer
        belief = self.project(getattr(context.prior, self.prior_feature)).to(pixels.dtype)
        if torch.compiler.is_compiling() or is_watched([gate]):
            there = belief[:, None, None].expand(*pixels.shape[:3], -1)
            watched: Tensor = gate(torch.cat([pixels, there], dim=-1))
            return watched
        # What an image's pixels have in common is multiplied once, as a bias of the image's own.
        first: Any = gate[0]
        of_pixel, of_belief = first.weight.split([pixels.shape[-1], belief.shape[-1]], dim=1)
        shift = F.linear(belief, of_belief, first.bias)
        hidden = F.linear(pixels, of_pixel).add_(shift[:, None, None])
        for layer in gate[1:]:
            hidden = layer(hidden)
        return hidden


@BLOCKS.register_module()
class MambaCNNBlock(nn.Module):
    """Mamba and convolution mixed by an edge-aware gate, then a gated feed-forward layer.

    M2Restore, Sec. III-C (MCDB with DGF).

    The selective scan sees the pixels row after row; a depthwise convolution sees their neighbours;
    a gate computed from the features and the prior's embedding mixes both, and is recorded in the
    context where it is asked for. In a network without a prior the gate sees the features alone.

    Args:
        stage: Where the block sits.
        gate: ``'edge_aware'`` (the paper's name; neither paper nor public code has an edge
            operator) or ``'mean'``, the static aggregation of Table II's row without DGF.
        gate_on: Which branch the gate weighs, the other getting the rest: ``'cnn'`` (Eq. 17) or
            ``'mamba'`` (public code).
        gate_layers: 1x1 convolutions of the gate: 1 (Eq. 16) or 2 with GELU (public code).
        gate_channels: Values of the gate per pixel: ``null`` for one per channel (the text speaks
            of spatial-channel attention; Eq. 16 leaves the number open), 1 in the public code.
        projection_layers: Layers that bring the prior's embedding to the map's width: 1 (text) or 2
            (public code).
        prior_feature: Which embedding: ``'features'`` (the degradation; text) or ``'content'``
            (public code).
        conv_norm: Normalise again before the convolution (Eq. 12; the public code does not).
        ratio: Expansion of the feed-forward layer.
        backend: Of the selective scan, see ``irbox.layers.selective_scan.dispatch``.
    """

    def __init__(
        self,
        stage: Stage,
        gate: Literal['edge_aware', 'mean'] = 'edge_aware',
        gate_on: Literal['cnn', 'mamba'] = 'cnn',
        gate_layers: Literal[1, 2] = 1,
        gate_channels: int | None = None,
        projection_layers: Literal[1, 2] = 1,
        prior_feature: Literal['features', 'content'] = 'features',
        conv_norm: bool = True,
        ratio: PositiveFloat = 2.66,
        backend: Backend = 'auto',
    ) -> None:
        super().__init__()
        if gate_channels not in (None, 1, stage.dim):
            raise ValueError(f'gate_channels={gate_channels} must be 1, {stage.dim} or null.')
        self.norm1 = LayerNorm2d(stage.dim)
        self.branches = DualBranch(
            stage,
            gate=gate,
            gate_on=gate_on,
            gate_layers=gate_layers,
            gate_channels=gate_channels,
            projection_layers=projection_layers,
            prior_feature=prior_feature,
            conv_norm=conv_norm,
            backend=backend,
        )
        self.norm2 = LayerNorm2d(stage.dim)
        self.ffn = GatedFeedForward(stage.dim, ratio)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        mixed = self.branches.add_to(x, self.norm1, context)
        return self.ffn.add_to(mixed, self.norm2, overwrite=mixed is not x)
