"""Gradients of weights that many strips add up, in the shapes that weights have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from irbox.layers.pixel_linear import PixelLinear, add_outer_product
from irbox.layers.strips import weights_of, without_padding


class Summed:
    """A convolution's weights as strips use them, and the sums of their gradients.

    Args:
        conv: A 1x1 or a depthwise one.
        dtype: That products are computed in. Sums are float32 at least.
        **branches: See ``weights_of``.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, **branches: int) -> None:
        self._own, self._branches = list(conv.parameters()), branches
        with torch.no_grad():
            self.weight, self.bias = weights_of(conv, dtype, **branches)
        exact = torch.promote_types(dtype, torch.float32)
        padded = [self.weight] if self.bias is None else [self.weight, self.bias]
        self._sums = [torch.zeros_like(one, dtype=exact) for one in padded]

    @property
    def sums(self) -> tuple[Tensor, Tensor | None]:
        """Of the weight and of the bias, to be added to."""
        return self._sums[0], None if self.bias is None else self._sums[1]

    @cached_property
    def linear(self) -> PixelLinear:
        """A 1x1 convolution of pixels, (..., in) -> (..., out)."""
        return PixelLinear(self.weight, self.bias)

    @cached_property
    def _back(self) -> PixelLinear:
        return PixelLinear(self.weight.t())

    def of_given(self, of_made: Tensor) -> Tensor:
        """Give the gradient of what a 1x1 convolution is given: (..., out) -> (..., in)."""
        answer = of_made.new_empty(*of_made.shape[:-1], self.weight.shape[1])
        self._back(of_made, answer)
        return answer

    def open_gradient(
        self, of_made: Tensor, opened: Tensor, value: Tensor, of_value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Go on to what a gated map is made of, see ``PixelLinear.open_gradient``."""
        return self._back.open_gradient(of_made, opened, value, of_value)

    def add(self, *gradients: Tensor | None) -> None:
        """Add those of a strip, of the weight and of the bias."""
        for total, one in zip(self._sums, gradients, strict=False):
            assert one is not None
            total += one

    def add_product(self, of_made: Tensor, given: Tensor) -> None:
        """Add those of a 1x1 convolution, (pixels, out) and (pixels, in)."""
        totals = None if self.bias is None else self._sums[1]
        add_outer_product(self._sums[0], of_made, given, totals)

    def gradients(self) -> list[Tensor | None]:
        """Give them in the shapes of the convolution's own weights; None of those that stay."""
        return [
            without_padding(total, own, **self._branches).to(own.dtype)
            if own.requires_grad
            else None
            for total, own in zip(self._sums, self._own, strict=True)
        ]


def apart(*maps: Tensor) -> tuple[Tensor, ...]:
    """Give views of maps, none of which is made of another one.

    Of maps that are, such as a query that was made of its source, ``differentiate`` would count
    what comes by one of them in the gradient of the other as well.
    """
    return tuple(one.view_as(one) for one in maps)


def differentiate(
    answer: Tensor, inputs: Sequence[Tensor], grad: Tensor, again: bool = False
) -> tuple[Tensor | None, ...]:
    """Give torch's own gradients; None of inputs that need none.

    Args:
        answer: Of ``inputs``.
        inputs: Their gradients are given.
        grad: That of the answer.
        again: Let the gradients be differentiated.
    """
    wanted = [one for one in inputs if one.requires_grad]
    found = iter(
        torch.autograd.grad(answer, wanted, grad, create_graph=again, allow_unused=True)
        if wanted
        else ()
    )
    return tuple(next(found) if one.requires_grad else None for one in inputs)
