"""The feed-forward layer of Restormer-like blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.layers.feed_forward_gradient import feed_forward
from irbox.layers.fused import feed_forward_gradient as fused_gradient
from irbox.layers.fused import layers as fused
from irbox.layers.fused.switch import can_learn_fused, can_run_fused
from irbox.layers.gate import gelu_gate
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pixel_linear import PixelLinear
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.strip_convolutions import Gated
from irbox.layers.strip_gradients import can_learn_by_kernels, can_learn_in_strips
from irbox.layers.strips import (
    can_run_in_strips,
    computing_dtype,
    kept_map,
    pixels_of,
    weights_of,
)
from irbox.layers.widen import widen_in_strips, widening
from irbox.native import layers
from irbox.native.library import LANES
from irbox.utils.precision import full_precision


class GatedFeedForward(nn.Module):
    """Two branches of which one gates the other (GDFN in Restormer).

    Args:
        dim: Number of channels.
        ratio: Width of a branch relative to ``dim``, rounded down.
        bias: Give the convolutions a bias.
    """

    def __init__(self, dim: int, ratio: float = 2.66, bias: bool = False) -> None:
        super().__init__()
        hidden = int(dim * ratio)
        self.project_in = PointwiseConv2d(dim, 2 * hidden, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = PointwiseConv2d(hidden, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each pixel with its neighbours, (B, C, H, W) -> same shape."""
        if self._is_ours() and can_run_fused(x, self):
            return fused.feed_forward(self, x)
        if self._is_ours() and can_learn_fused(x, self):
            return fused_gradient.feed_forward(self, x)
        if self._is_ours() and can_run_in_strips(x, self):
            return self.in_strips(x)
        if self._is_ours() and self._learns_by_kernels(x):
            return feed_forward(self, x, None, keeps=True)
        if self._is_ours() and can_learn_in_strips(x, self):
            return feed_forward(self, x, None, keeps=False)
        return self.as_a_whole(x)

    def add_to(self, x: Tensor, norm: LayerNorm2d, overwrite: bool = False) -> Tensor:
        """Compute ``x + self(norm(x))``, (B, C, H, W) -> same shape.

        With ``overwrite`` nobody needs ``x`` any more: the answer may be written into it.
        """
        if self._is_ours() and can_run_fused(x, self, norm):
            return fused.feed_forward(self, x, norm)
        if self._is_ours() and can_learn_fused(x, self, norm):
            return fused_gradient.feed_forward(self, x, norm)
        if self._is_ours() and can_run_in_strips(x, self, norm):
            return self.in_strips(x, norm, overwrite=overwrite)
        if self._is_ours() and self._learns_by_kernels(x, norm):
            return feed_forward(self, x, norm, keeps=True)
        if self._is_ours() and can_learn_in_strips(x, self, norm):
            return feed_forward(self, x, norm, keeps=False)
        answer: Tensor = x + self(norm(x))
        return answer

    def as_a_whole(self, x: Tensor, norm: LayerNorm2d | None = None) -> Tensor:
        """Compute the layer, with a norm ``x + self(norm(x))``, operator by operator."""
        given = x if norm is None else norm(x)
        answer: Tensor = self.project_out(gelu_gate(self.dwconv(self.project_in(given)), dim=1))
        return answer if norm is None else x + answer

    def _learns_by_kernels(self, x: Tensor, norm: LayerNorm2d | None = None) -> bool:
        return can_learn_by_kernels(x, self.project_in.out_channels, self, norm)

    def _is_ours(self) -> bool:
        return type(self).forward is GatedFeedForward.forward

    def wide_map(self, x: Tensor) -> Tensor:
        """Give memory for the map that is convolved, its halves whole vectors."""
        return kept_map(x, 2 * (-(-self.project_out.in_channels // LANES) * LANES))

    def in_strips(
        self,
        x: Tensor,
        norm: LayerNorm2d | None = None,
        wide: Tensor | None = None,
        overwrite: bool = False,
    ) -> Tensor:
        """Compute the same on strips of rows, with nothing to differentiate.

        Args:
            x: (B, C, H, W).
            norm: Applied first; the answer is then added to ``x``.
            wide: See ``wide_map``, where that map is to be kept.
            overwrite: See ``add_to``.
        """
        pixels, dtype = pixels_of(x), computing_dtype(x)
        narrow = PixelLinear(*weights_of(self.project_out, dtype, given=1))
        gated = Gated(*weights_of(self.dwconv, dtype, made=2))
        # Rows are written when the rows below them have been read.
        answer = pixels
        if norm is None or not overwrite:
            answer = torch.empty_like(pixels, dtype=dtype if norm is None else pixels.dtype)
        if (known := widening(pixels, self.project_in, gated, wide, 2, norm)) is not None:
            layers.feed_forward(*known, *narrow.as_layers_take_it(), answer)
            return answer.permute(0, 3, 1, 2)
        with full_precision(x):
            for images, rows, strip in widen_in_strips(
                pixels, self.project_in, gated, branches=2, norm=norm, kept=wide
            ):
                out = answer[images, rows]
                narrow(strip, out, plus=None if norm is None else pixels[images, rows])
        return answer.permute(0, 3, 1, 2)
