"""MODEM's scan."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.mamba import init_time_step
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.scan_order import ScanOrder, scan_order
from irbox.layers.selective_scan import selective_scan
from irbox.utils.precision import full_precision


class DegradationScan(nn.Module):
    """A selective scan over the pixels of a map, told about the degradation.

    A vector Z0 scales and shifts what is scanned, ``u (W_s Z0) + W_b Z0``. A matrix Z1 makes the
    projection to the scan's coefficients: the softmax over the inner channels of
    ``K2 Z1 K1^T / sqrt(inner channels)``. Without a degradation that projection is a weight.

    Args:
        dim: Channels of the map; twice as many are scanned.
        degradation_dim: Size of Z0 and sides of Z1; 0 for none.
        order: In which the pixels are visited.
        d_state: States per channel.
    """

    def __init__(
        self, dim: int, degradation_dim: int = 0, order: ScanOrder = 'morton', d_state: int = 16
    ) -> None:
        super().__init__()
        inner, rank = 2 * dim, math.ceil(dim / 16)
        self.widths = [rank, d_state, d_state]
        self.degradation_dim, self.order = degradation_dim, order
        self.transposed = False
        """Exchange rows and columns: every other block of a group does."""
        self.in_proj = PointwiseConv2d(dim, 2 * inner, bias=False)
        self.conv = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        if degradation_dim:
            self.scale = nn.Linear(degradation_dim, inner, bias=False)
            self.shift = nn.Linear(degradation_dim, inner, bias=False)
            self.of_channels = nn.Linear(degradation_dim, inner, bias=False)
            self.of_coefficients = nn.Linear(degradation_dim, sum(self.widths), bias=False)
        else:
            self.projection = nn.Parameter(torch.empty(sum(self.widths), inner))
            nn.init.kaiming_uniform_(self.projection, a=math.sqrt(5))
        self.dt_weight = nn.Parameter(torch.empty(inner, rank))
        self.dt_bias = nn.Parameter(torch.empty(inner))
        init_time_step(self.dt_weight, self.dt_bias)
        states = torch.arange(1, d_state + 1, dtype=torch.float32)
        self.A_log = nn.Parameter(states.log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.norm = LayerNorm2d(inner)
        self.out_proj = PointwiseConv2d(inner, dim, bias=False)

    def forward(self, x: Tensor, prompt: Tensor | None) -> Tensor:
        """Scan a map.

        Args:
            x: (B, C, H, W).
            prompt: (B, D + D * D), Z0 and the rows of Z1.

        Returns:
            (B, C, H, W).

        Raises:
            ValueError: The scan was built for a degradation and is told none.
        """
        height, width = x.shape[-2:]
        u, gate = self.in_proj(x).chunk(2, dim=1)
        u = F.silu(self.conv(u))
        u = u.to(torch.promote_types(u.dtype, torch.float32))
        with full_precision(u):
            vector, projection = self._told(prompt)
            if vector is not None:
                scale, shift = self.scale(vector), self.shift(vector)
                u = u * scale[:, :, None, None] + shift[:, :, None, None]
            order = scan_order(self.order, height, width, self.transposed, u.device)
            sequence = u.flatten(2)[..., order]
            step, write, read = torch.split(projection @ sequence, self.widths, dim=1)
            y = selective_scan(
                sequence,
                self.dt_weight @ step,
                -self.A_log.exp(),
                write,
                read,
                self.D,
                delta_bias=self.dt_bias,
                delta_softplus=True,
            )
        y = self.norm(y[..., order.argsort()].view(*y.shape[:2], height, width))
        answer: Tensor = self.out_proj(y.to(gate.dtype) * F.silu(gate))
        return answer

    def _told(self, prompt: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """Give Z0 and the projection to the scan's coefficients, (B or nothing, r + 2N, C')."""
        dim = self.degradation_dim
        if not dim:
            return None, self.projection
        if prompt is None:
            raise ValueError(
                'This scan was built for a degradation and is told none: restore with the context '
                'that the network describes an image by.'
            )
        weight = self.of_channels.weight
        told = prompt.to(weight.dtype)
        vector, matrix = told[:, :dim], told[:, dim:].view(-1, dim, dim)
        products = self.of_coefficients.weight @ matrix @ weight.T
        return vector, (products / math.sqrt(len(weight))).softmax(-1)
