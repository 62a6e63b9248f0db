"""A norm in front of strips that are differentiated."""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.norm import LayerNorm2d
from irbox.layers.summed_gradients import differentiate
from irbox.layers.widen import norm_for_kernels, normalize
from irbox.native import operators
from irbox.native.layers import Norm
from irbox.native.library import LANES, native
from irbox.native.norm_gradient import normalize_gradient


class NormSums:
    """A norm as strips use it, and the sums of its weights' gradients.

    Args:
        norm: Or None, where pixels go into the layer as they are.
        pixels: (B, H, W, C), all of them.
        of_pixels: What their gradient is added to, of the same shape; without a norm it is written.
        dtype: That the layer computes in.
        base: The same shape, where with a norm it is written as well, added to this.
    """

    def __init__(
        self,
        norm: LayerNorm2d | None,
        pixels: Tensor,
        of_pixels: Tensor,
        dtype: torch.dtype,
        base: Tensor | None = None,
    ) -> None:
        self._norm, self._dtype = norm, dtype
        self.pixels, self.of_pixels = pixels, of_pixels
        self.base = of_pixels if base is None else base
        self._sums = [] if norm is None else [torch.zeros_like(one) for one in norm.parameters()]
        self._library = None
        if norm is not None and dtype in operators.KINDS and not pixels.shape[3] % LANES:
            plain = pixels.dtype == norm.weight.dtype == torch.float32 and of_pixels.is_contiguous()
            plain = plain and self.base.is_contiguous()
            self._library = native() if plain and pixels.device.type == 'cpu' else None

    def normalize(self, place: tuple[slice, slice]) -> Tensor:
        """Give the pixels there, images and rows, as the layer sees them."""
        given = self.pixels[place]
        # A strip of one row may have none to make, or to learn from.
        if self._norm is None or not given.numel():
            return given.to(self._dtype)
        return normalize(given, self._norm, self._dtype)

    def add(self, place: tuple[slice, slice], of_normed: Tensor) -> None:
        """Add the gradients of the pixels there and of the weights, given that of ``normalize``."""
        norm, given, of_given = self._norm, self.pixels[place], self.of_pixels[place]
        base = self.base[place]
        if norm is None or not given.numel():
            of_given.copy_(of_normed)
            return
        if self._library is not None:
            weight, centred, given = norm.weight.detach(), norm.bias is not None, given.contiguous()
            found = normalize_gradient(
                self._library, given, weight, centred, norm.eps, of_normed, of_given, base
            )
            self.add_sums(found)
            return
        with torch.enable_grad():
            given = given.detach().requires_grad_()
            normed = norm.normalize(given)
        inputs = [given, *norm.parameters()]
        of_pixels, *of_weights = differentiate(normed, inputs, of_normed.to(normed.dtype))
        assert of_pixels is not None
        torch.add(base, of_pixels, out=of_given)
        for total, one in zip(self._sums, of_weights, strict=True):
            if one is not None:
                total += one

    @property
    def is_none(self) -> bool:
        """Whether pixels go into the layer as they are."""
        return self._norm is None

    def for_kernels(self) -> Norm | None:
        """Give the norm to a kernel that differentiates it with what follows; None of others."""
        norm = self._norm
        return None if norm is None or self._library is None else norm_for_kernels(norm)

    def add_sums(self, sums: Tensor) -> None:
        """Add what such a kernel found."""
        for total, one in zip(self._sums, sums, strict=False):
            total += one

    def gradients(self) -> list[Tensor]:
        """Give those of the norm's weights."""
        return self._sums
