"""Products of pixels, with nothing to differentiate: a linear layer and what follows it; sums."""

from __future__ import annotations

import ctypes
from functools import cached_property

import torch
from torch import Tensor

from irbox.native import operators, products
from irbox.native.library import LANES, native

LEAST_PRODUCTS = 2**21
"""Multiplications that are worth the call of a kernel of ours, which takes longer than torch's."""


class PixelLinear:
    """``x W^T + b`` of each pixel; then, where they are asked for, sigmoid, product and sum.

    By a kernel of ours where there is one for the processor, else by torch's operators.

    Args:
        weight: (C_out, C_in), in the dtype of the pixels that will come.
        bias: (C_out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight, self.bias = weight, bias
        fits = weight.dtype in operators.KINDS and not weight.shape[0] % LANES
        library = native() if fits and weight.device.type == 'cpu' else None
        taken = None if library is None else products.taken_at_once(library, weight.dtype)
        self.library = None if not taken or weight.shape[1] % taken else library
        self._taken = taken or 0

    @cached_property
    def _packed(self) -> Tensor:
        return products.pack(self.weight, self._taken)

    @cached_property
    def _shift(self) -> Tensor | None:
        return None if self.bias is None else self.bias.float()

    def as_layers_take_it(self) -> tuple[Tensor, Tensor | None]:
        """Give the weight, contiguous, and the bias, float32, for ``irbox.native.layers``."""
        return self.weight.contiguous(), self._shift

    def __call__(
        self,
        x: Tensor,
        out: Tensor,
        *,
        squash: bool = False,
        opened: Tensor | None = None,
        times: Tensor | None = None,
        plus: Tensor | None = None,
        factor: Tensor | None = None,
    ) -> None:
        """Write the answer for pixels (..., C_in) into ``out``, (..., C_out).

        Args:
            x: In the dtype of the weight.
            out: Written to; contiguous, or (pixels, C_out). It may be ``times`` or ``plus``.
            squash: Take the sigmoid of ``x W^T + b``.
            opened: (..., C_out), where that is to be kept, in the dtype of the weight.
            times: (..., C_out), multiplied by then, in the dtype of the weight.
            plus: (..., C_out), added in the end, in the dtype of ``out``.
            factor: (C_out,), what that is multiplied by, float32 or in its dtype.
        """
        if (library := self.library_for(x, out, opened, times, plus)) is not None:
            products.product(
                library, x, self._packed, self._shift, out, squash=squash, opened=opened,
                times=times, plus=plus, factor=None if factor is None else factor.float(),
            )  # fmt: skip
            return
        if plus is not None and factor is not None:
            plus = (plus * factor).to(plus.dtype)
        if opened is None:
            self._by_torch(x, out, squash, times, plus)
            return
        self._by_torch(x, opened, squash, None, None)
        answer = opened if times is None else opened * times
        out.copy_(answer if plus is None else answer + plus)

    def library_for(self, x: Tensor, *maps: Tensor | None) -> ctypes.CDLL | None:
        """Give the kernels, where they multiply these pixels and pass over these maps."""
        if self.library is None or x.numel() * len(self.weight) < LEAST_PRODUCTS:
            return None
        there = (one for one in (x, *maps) if one is not None)
        fits = all(one.dtype == x.dtype and products.lies_in_rows(one) for one in there)
        return self.library if fits else None

    def open_gradient(
        self, x: Tensor, opened: Tensor, value: Tensor, of_value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Differentiate ``opened * value``, a sigmoid times a map, ``x W^T`` being its gradient.

        Args:
            x: (..., C_in), contiguous.
            opened: (..., C_out), contiguous, in the dtype of the weight.
            value: The same.
            of_value: The same, written to: the value's gradient.

        Returns:
            ``opened * value``, and the gradient of what the sigmoid was taken of, as ``value``.
        """
        if (library := self.library_for(x, opened, value, of_value)) is not None:
            return products.open_gradient(library, x, self._packed, opened, value, of_value)
        grad = torch.empty_like(value)
        self(x, grad)
        torch.mul(grad, opened, out=of_value)
        of_opened = torch.ops.aten.sigmoid_backward(grad.mul_(value), opened)
        return opened * value, of_opened

    def _by_torch(
        self, x: Tensor, out: Tensor, squash: bool, times: Tensor | None, plus: Tensor | None
    ) -> None:
        rows, turned = x.reshape(-1, x.shape[-1]), self.weight.t()
        flat = out if out.dim() == 2 else out.view(-1, out.shape[-1])
        alone = not squash and times is None
        if alone and plus is not None and plus.dtype == out.dtype == x.dtype:
            if plus.data_ptr() == out.data_ptr():
                flat.addmm_(rows, turned)
            else:
                torch.addmm(plus.reshape(flat.shape), rows, turned, out=flat)
            if self.bias is not None:
                flat.add_(self.bias)
            return
        apart = plus is not None or times is not None or out.dtype != x.dtype
        answer = x.new_empty(flat.shape) if apart else flat
        if self.bias is None:
            torch.mm(rows, turned, out=answer)
        else:
            torch.addmm(self.bias, rows, turned, out=answer)
        answer = answer.view(out.shape)
        if squash:
            answer.sigmoid_()
        if times is not None:
            answer.mul_(times)
        if plus is not None:
            torch.add(plus, answer, out=out)
        elif apart:
            out.copy_(answer)


def add_outer_product(
    sums: Tensor, left: Tensor, right: Tensor, totals: Tensor | None = None
) -> None:
    """Add ``left^T right``, summed over the pixels, to ``sums``.

    Args:
        sums: (M, N), in the dtype of the pixels or a wider one.
        left: (pixels, M).
        right: (pixels, N).
        totals: (M,), what ``left`` itself is added to, as ``sums``.
    """
    fits = left.dtype == torch.float32 and left.stride(1) == right.stride(1) == 1
    fits = fits and sums.dtype == left.dtype
    whole = not left.shape[1] % LANES and not right.shape[1] % LANES and sums.is_contiguous()
    library = native() if fits and whole and left.device.type == 'cpu' else None
    if library is not None and products.taken_at_once(library, left.dtype):
        products.add_outer(library, left, right, sums, totals)
        return
    if sums.dtype == left.dtype:
        sums.addmm_(left.t(), right)
    else:
        sums += torch.mm(left.t(), right)
    if totals is not None:
        totals += left.sum(0, dtype=totals.dtype)
