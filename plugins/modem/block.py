"""The block of MODEM."""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.scan_order import ScanOrder
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage

from .scan import DegradationScan


class GatedConvolution(nn.Module):
    """Two convolutions with few channels between, and a gate for each channel.

    ``k sigmoid(W' ReLU(W mean(k)))`` with ``k`` what two 3x3 convolutions give.

    Args:
        dim: Number of channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        narrow, few = max(1, dim // 3), max(1, dim // 30)
        self.convs = nn.Sequential(
            nn.Conv2d(dim, narrow, 3, padding=1), nn.GELU(), nn.Conv2d(narrow, dim, 3, padding=1)
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            PointwiseConv2d(dim, few),
            nn.ReLU(),
            PointwiseConv2d(few, dim),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        x = self.convs(x)
        answer: Tensor = x * self.gate(x)
        return answer


@BLOCKS.register_module()
class MODEMBlock(nn.Module):
    """A scan along Morton curves, then a gated convolution (MODEM, NeurIPS 2025).

    ``y = a x + S(LN x)`` and ``b y + K(LN y)`` with a factor for each channel on the way past, 1 at
    the start. The prompt, where there is one, is what ``DegradationEncoder`` gives.

    Args:
        stage: Where the block sits.
        order: In which the pixels are visited.

    Raises:
        ValueError: The prompt is no vector and square matrix of a size.
    """

    def __init__(self, stage: Stage, order: ScanOrder = 'morton') -> None:
        super().__init__()
        dim, told = stage.dim, (isqrt(1 + 4 * stage.prompt_dim) - 1) // 2
        if told + told**2 != stage.prompt_dim:
            raise ValueError(
                f'MODEMBlock reads a vector and a square matrix of the same size, and the prompt '
                f'has {stage.prompt_dim} numbers. Take `prompt: {{type: DegradationEncoder}}`, or '
                'none.'
            )
        self.norm1 = LayerNorm2d(dim)
        self.scan = DegradationScan(dim, told, order)
        self.drop_path = StochasticDepth(0.0, mode='row')
        self.skip1 = nn.Parameter(torch.ones(dim))
        self.norm2 = LayerNorm2d(dim)
        self.conv = GatedConvolution(dim)
        self.skip2 = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        found = self.drop_path(self.scan(self.norm1(x), context.prompt))
        x = x * self.skip1[:, None, None] + found
        answer: Tensor = x * self.skip2[:, None, None] + self.conv(self.norm2(x))
        return answer


class Group(nn.Module):
    """Blocks and a convolution, added to what they are given.

    Args:
        blocks: In their order; of ``MODEMBlock``s every other one exchanges rows and columns.
        dim: Number of channels.
    """

    def __init__(self, blocks: nn.Module, dim: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)
        for number, block in enumerate(blocks.children()):
            if isinstance(block, MODEMBlock):
                block.scan.transposed = number % 2 == 1

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        answer: Tensor = x + self.conv(self.blocks(x, context))
        return answer
