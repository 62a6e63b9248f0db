"""Attention whose answer is gated pixel by pixel, as in a Mamba block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from irbox.layers.attention import TransposedAttention
from irbox.layers.channel_attention import fold
from irbox.layers.depthwise_conv import DepthwiseConv
from irbox.layers.fused import gated_attention_gradient as fused_gradient
from irbox.layers.fused import layers as fused
from irbox.layers.fused.switch import can_learn_fused, can_run_fused
from irbox.layers.mamba_style_attention_gradient import gated_attention
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pixel_linear import PixelLinear
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.strip_convolutions import Convolved, Masked
from irbox.layers.strip_gradients import can_learn_by_kernels, can_learn_in_strips
from irbox.layers.strips import (
    can_run_in_strips,
    computing_dtype,
    pixels_in_strip,
    pixels_of,
    size_of,
    strips,
    weights_of,
)
from irbox.layers.widen import convolve_in_strips, norm_for_kernels, normalize, widening
from irbox.native import layers
from irbox.native.library import LANES
from irbox.triton_kernels.sizes import WIDEST_HEAD
from irbox.utils.precision import full_precision

MaskMode = Literal['input', 'multiply']


class MambaStyleAttention(nn.Module):
    """Channel attention with selective state modulation (MSA; M2IR, Eq. 1-2).

    ``W3(MDTA(sigmoid(Wd W1 x)) * sigmoid(W2 x))``. ``gate`` is the submodule that gives the second
    sigmoid, the paper's gate map, (B, C, H, W) in 0 to 1.

    Args:
        dim: Number of channels.
        heads: Attention heads; divides ``dim``.
        mask_mode: What the first sigmoid is: ``'input'``, the attention's input (Eq. 1 to the
            letter), or ``'multiply'``, a mask on ``x`` (the text calls it a soft mask).
        separable: Follow the depthwise ``Wd`` with a 1x1 convolution. The text calls it separable;
            the paper's cost fits without.
        projection: End MDTA with its 1x1 convolution, as in Restormer. With ``separable: true`` and
            without it, the cost is the same.

    Raises:
        ValueError: ``heads`` does not divide ``dim``.

    Note:
        The paper has no code. W1, W2, W3 and Wd have biases, as linear layers have in MILA, which
        the block is taken from; MDTA has none, as in Restormer. It does not say how they start.
        With PyTorch's small random weights the attention of Eq. 1 sees a map that is 0.5 all over,
        and the block learns slowly. So W1 and W3 start orthogonal and Wd near twice the identity:
        the first sigmoid then tells pixels apart from the first step.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        mask_mode: MaskMode = 'input',
        separable: bool = False,
        projection: bool = True,
    ) -> None:
        super().__init__()
        self.mask_mode = mask_mode
        self.project_in = PointwiseConv2d(dim, dim)
        self.dwconv = DepthwiseConv(dim, pointwise=separable, bias=True)
        self.attn = TransposedAttention(dim, heads, projection=projection)
        self.gate = nn.Sequential(PointwiseConv2d(dim, dim), nn.Sigmoid())
        self.project_out = PointwiseConv2d(dim, dim)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        for projection in (self.project_in, self.project_out):
            nn.init.orthogonal_(projection.weight)
        depthwise = cast(nn.Conv2d, self.dwconv[0])
        depthwise.weight.mul_(0.5)
        depthwise.weight[:, :, 1, 1] += 2
        for bias in (self.project_in.bias, self.project_out.bias, depthwise.bias):
            assert bias is not None
            nn.init.zeros_(bias)

    def forward(self, x: Tensor, record: Callable[[Tensor], None] | None = None) -> Tensor:
        """Attend and gate a normalised map.

        Args:
            x: (B, C, H, W).
            record: Called with the gate, (B, C, H, W), by whoever looks at it.

        Returns:
            (B, C, H, W).
        """
        mask: Tensor = self.dwconv(self.project_in(x)).sigmoid()
        attended = self.attn(mask if self.mask_mode == 'input' else mask * x)
        answer: Tensor = self.project_out(attended * self._gate(x, record))
        return answer

    def add_to(
        self, x: Tensor, norm: LayerNorm2d, record: Callable[[Tensor], None] | None = None
    ) -> Tensor:
        """Compute ``x + self(norm(x), record)``, (B, C, H, W) -> same shape."""
        ours = type(self).forward is MambaStyleAttention.forward
        plain = type(self.attn).forward is TransposedAttention.forward
        plain = plain and type(self.gate[1]) is nn.Sigmoid
        fits = x.shape[1] <= WIDEST_HEAD * self.attn.temperature.shape[0]
        if ours and fits and plain and self.mask_mode == 'input' and can_run_fused(x, self, norm):
            return fused.mamba_style_attention(self, x, norm, record)
        known = ours and fits and plain and record is None and self.mask_mode == 'input'
        if known and len(self.dwconv) == 1 and can_learn_fused(x, self, norm):
            return fused_gradient.gated_attention(self, x, norm)
        if ours and plain and can_run_in_strips(x, self, norm):
            return self._add_in_strips(x, norm, record)
        if ours and plain and record is None and self._can_learn(x):
            keeps = can_learn_by_kernels(x, self.attn.qkv.out_channels, self, norm)
            if keeps or can_learn_in_strips(x, self, norm):
                return gated_attention(self, x, norm, keeps)
        answer: Tensor = x + self(norm(x), record)
        return answer

    def _can_learn(self, x: Tensor) -> bool:
        """Tell whether the layer is one that ``gated_attention`` knows."""
        return self.mask_mode == 'input' and len(self.dwconv) == 1 and not x.shape[1] % LANES

    def _add_in_strips(
        self, x: Tensor, norm: LayerNorm2d, record: Callable[[Tensor], None] | None
    ) -> Tensor:
        """The same on strips of rows."""
        pixels, dtype = pixels_of(x), computing_dtype(x)
        with full_precision(x):
            mask = self.mask_in_strips(pixels, norm, dtype)
            # Of the mask nothing is left: values take its place.
            weights = self.attn.weigh_in_strips(mask, mask)[0]
            gate = None if record is None else torch.empty_like(mask)
            answer = self.add_gated(pixels, norm, mask, weights, gate)
        if record is not None and gate is not None:
            record(gate.permute(0, 3, 1, 2))
        return answer.permute(0, 3, 1, 2)

    def mask_in_strips(
        self, pixels: Tensor, norm: LayerNorm2d, dtype: torch.dtype, kept: Tensor | None = None
    ) -> Tensor:
        """Compute attention's input on strips of rows, with nothing to differentiate.

        Args:
            pixels: (B, H, W, C), contiguous.
            norm: Applied first.
            dtype: To compute in.
            kept: Memory of what is convolved, where it is to be kept, see ``kept_map``.

        Returns:
            (B, H, W, C), in ``dtype``.
        """
        shape, dim = size_of(pixels), pixels.shape[3]
        conv, *pointwise = cast('list[nn.Conv2d]', list(self.dwconv))
        first = PixelLinear(*weights_of(self.project_in, dtype, made=1))
        mask = torch.empty_like(pixels, dtype=dtype)
        taps = weights_of(conv, dtype, made=1)
        alone = not pointwise and self.mask_mode == 'input'
        depthwise: Any = Masked(*taps, mask) if alone else Convolved(*taps)

        known = widening(pixels, self.project_in, depthwise, kept, norm=norm) if alone else None
        if known is not None:
            layers.mask(*known, mask)
            return mask

        def fill(images: slice, rows: slice, out: Tensor) -> None:
            strip = normalize(pixels[images, rows], norm, dtype)
            first(strip, out)
            if self.mask_mode == 'multiply':
                mask[images, rows] = strip

        for images, rows, strip in convolve_in_strips(fill, depthwise, shape, kept):
            if strip is None:
                continue
            strip = strip[..., :dim]
            for layer in pointwise:
                mixed = strip.new_empty(strip.shape)
                PixelLinear(*weights_of(layer, dtype))(strip, mixed)
                strip = mixed
            if self.mask_mode == 'multiply':
                mask[images, rows].mul_(strip.sigmoid())
            else:
                torch.sigmoid(strip, out=mask[images, rows])
        return mask

    def add_gated(
        self,
        pixels: Tensor,
        norm: LayerNorm2d,
        values: Tensor,
        weights: Tensor,
        gate: Tensor | None = None,
        attended: Tensor | None = None,
    ) -> Tensor:
        """Compute ``pixels + W3(attention * gate)``, (B, H, W, C), with nothing to differentiate.

        The norm is computed once more: the gate's map, kept until here, would cost more.

        Args:
            pixels: (B, H, W, C), contiguous.
            norm: Applied before the gate.
            values: See ``TransposedAttention.weigh_in_strips``.
            weights: The same.
            gate: As ``values``, where the gate is to be kept.
            attended: As ``values``, where attention's answer is to be kept.
        """
        dtype, projection = values.dtype, self.attn.project_out
        folded = fold(weights, projection).to(dtype).transpose(1, 2)
        bias = None if projection is None or projection.bias is None else projection.bias.to(dtype)
        last = PixelLinear(*weights_of(self.project_out, dtype))
        opening = PixelLinear(*weights_of(cast(nn.Conv2d, self.gate[0]), dtype))
        attention = [PixelLinear(one, bias) for one in folded]
        library = opening.library
        if library is not None and pixels.dtype == dtype and norm.weight.dtype == torch.float32:
            return layers.gated_answer(
                library, pixels, norm_for_kernels(norm), values,
                (folded.contiguous(), None if bias is None else bias.float()),
                opening.as_layers_take_it(), last.as_layers_take_it(),
                pixels_in_strip(4 * pixels.shape[3], dtype), (attended, gate),
            )  # fmt: skip
        answer = torch.empty_like(pixels)
        for images, rows in strips(size_of(pixels), 2 * pixels.shape[3], dtype):
            for image in range(len(pixels))[images]:
                place = image, rows
                found = torch.empty_like(values[place]) if attended is None else attended[place]
                attention[image](values[place], found)
                given = normalize(pixels[place], norm, dtype)
                gated = found if attended is None else torch.empty_like(found)
                opened = None if gate is None else gate[place]
                opening(given, gated, squash=True, opened=opened, times=found)
                last(gated, answer[place], plus=pixels[place])
        return answer

    def _gate(self, x: Tensor, record: Callable[[Tensor], None] | None) -> Tensor:
        gate: Tensor = self.gate(x)
        if record is not None:
            record(gate)
        return gate
