"""The block of MIRAGE."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from irbox.layers.attention import TransposedAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.gate import gelu_gate
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from irbox.utils.bounded import Share

KERNEL = 7
"""Height and width of the dynamic convolution."""


class GatedDynamicConvolution(nn.Module):
    """A gated convolution whose kernel each image makes for itself.

    Of ``W BatchNorm(s)`` one part is the gate, one is left as it is and one is convolved, channel
    by channel, with a 7x7 kernel made of its mean; then
    ``W'' (W' (GELU(gate / t) * [plain; conv]) + s)``.

    Args:
        dim: Number of channels.
        drop_path: How often in training what is found is left out for an image.
    """

    def __init__(self, dim: int, drop_path: float = 0.1) -> None:
        super().__init__()
        inner = 8 * dim // 3
        self.widths = (inner, inner - dim, dim)
        self.norm = nn.BatchNorm2d(dim)
        self.project_in = PointwiseConv2d(dim, 2 * inner, bias=False)
        self.make_kernel = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            PointwiseConv2d(dim, dim, bias=False),
            nn.GELU(),
            PointwiseConv2d(dim, KERNEL**2 * dim, bias=False),
        )
        self.temperature = nn.Parameter(torch.ones(1))
        self.project_out = PointwiseConv2d(inner, dim, bias=False)
        self.drop_path = StochasticDepth(drop_path, mode='row')
        self.output = PointwiseConv2d(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        gate, plain, moved = self.project_in(self.norm(x)).split(self.widths, dim=1)
        moved = _convolve_each(moved, self.make_kernel(moved))
        found = F.gelu(gate / self.temperature) * torch.cat([plain, moved], dim=1)
        answer: Tensor = self.output(self.drop_path(self.project_out(found)) + x)
        return answer


def _convolve_each(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each image, channel by channel, with kernels of its own.

    Args:
        x: (B, C, H, W).
        kernels: (B, 49 C, 1, 1), those of a channel one behind the other.

    Returns:
        (B, C, H, W).
    """
    batch, dim, height, width = x.shape
    weight = kernels.reshape(batch * dim, 1, KERNEL, KERNEL).to(x.dtype)
    maps = x.reshape(1, batch * dim, height, width)
    answer = F.conv2d(maps, weight, padding=KERNEL // 2, groups=batch * dim)
    return answer.view(batch, dim, height, width)


class MixedBackbone(nn.Module):
    """Attention, a gated convolution and a perceptron on a third of the channels each.

    Each answer is joined by what the other two find of it: ``A + a sigmoid(G + P)`` and so on.

    Args:
        dim: Number of channels, a multiple of three.
        heads: Attention heads; a divisor of a third of ``dim``.
        drop_path: See ``GatedDynamicConvolution``.

    Raises:
        ValueError: Three does not divide ``dim``.
    """

    def __init__(self, dim: int, heads: int, drop_path: float = 0.1) -> None:
        super().__init__()
        if dim % 3:
            raise ValueError(
                f'MIRAGE cuts {dim} channels in three equal parts: take a dim that is a multiple '
                'of 3.'
            )
        part = dim // 3
        self.attention = TransposedAttention(part, heads, projection=False)
        self.gated = GatedDynamicConvolution(part, drop_path)
        self.mlp = nn.Sequential(
            PointwiseConv2d(part, 2 * part, bias=False),
            nn.GELU(),
            PointwiseConv2d(2 * part, part, bias=False),
        )
        self.alpha_attention = nn.Parameter(torch.ones(1))
        self.alpha_gated = nn.Parameter(torch.ones(1))
        self.alpha_mlp = nn.Parameter(torch.ones(1))
        self.project_out = PointwiseConv2d(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        first, second, third = x.chunk(3, dim=1)
        a, g, p = self.attention(first), self.gated(second), self.mlp(third)
        mixed = [
            a + self.alpha_attention * (g + p).sigmoid(),
            g + self.alpha_gated * (a + p).sigmoid(),
            p + self.alpha_mlp * (a + g).sigmoid(),
        ]
        answer: Tensor = self.project_out(torch.cat(mixed, dim=1))
        return answer


class ActivatedFeedForward(GatedFeedForward):
    """Restormer's gated feed-forward layer with a GELU before the depthwise convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel with its neighbours, (B, C, H, W) -> same shape."""
        answer: Tensor = self.project_out(gelu_gate(self.dwconv(F.gelu(self.project_in(x))), dim=1))
        return answer


@BLOCKS.register_module()
class MIRAGEBlock(nn.Module):
    """Three kinds of layers on a third of the channels each (MIRAGE, ICLR 2026).

    ``x + mix(LN x)``, then a gated feed-forward layer with a second activation.

    Args:
        stage: Where the block sits; its width is a multiple of three.
        ratio: Expansion of the feed-forward layer.
        drop_path: How often in training the answer of the convolution is left out for an image.
    """

    def __init__(self, stage: Stage, ratio: float = 2.0, drop_path: Share = 0.1) -> None:
        super().__init__()
        self.norm1 = LayerNorm2d(stage.dim)
        self.attn = MixedBackbone(stage.dim, stage.heads, drop_path)
        self.norm2 = LayerNorm2d(stage.dim)
        self.ffn = ActivatedFeedForward(stage.dim, ratio)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        x = x + self.attn(self.norm1(x))
        answer: Tensor = x + self.ffn(self.norm2(x))
        return answer
