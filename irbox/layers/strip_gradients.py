"""Backward passes in strips of rows: a wide map is made again, and differentiated, in the cache.

A layer that learns as a whole keeps its wide maps until the backward pass. In strips it keeps its
input; each strip is made again when its gradient is due. The products that this takes once more
cost less than large maps that leave the caches, where the map is large.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.norm import LayerNorm2d
from irbox.layers.strips import is_watched, learns, project, size_of, strips, weights_of

LEAST_PIXELS = 2**14
"""Of all images. Maps of fewer have more channels: products are most of what they take, and they
stay in the caches anyway."""
TIMES = 4
"""How many times as long as the forward pass's strips are: each is made with two rows more than
it has."""


def can_learn_in_strips(x: Tensor, *modules: nn.Module | None) -> bool:
    """Tell whether layers are to be differentiated in strips: on a CPU, where the map is large.

    Not while they are compiled, exported or traced, nor where somebody watches a module inside
    them. On the meta device, too, where what is kept is counted.

    Args:
        x: (B, C, H, W), their input.
        *modules: The layers.
    """
    if x.device.type not in ('cpu', 'meta') or x.dtype not in (torch.float32, torch.float64):
        return False
    if torch.compiler.is_compiling() or torch._C._get_tracing_state():
        return False
    if len(x) * x[0, 0].numel() < LEAST_PIXELS:
        return False
    there = [one for one in modules if one is not None]
    return not is_watched(there) and learns(x, there)


class WideStrips:
    """``widen_in_strips`` for a backward pass: makes a strip, then takes the gradient of it.

    Args:
        pixels: (B, H, W, C).
        of_pixels: Where the gradient of the pixels is added up, of the same shape.
        widen: 1x1 convolution, C -> the wide map.
        depthwise: Of the wide map, 3x3.
        dtype: To compute in.
        branches: That lie side by side in the wide map, each padded to whole vectors.
        norm: Applied to the pixels first.
    """

    def __init__(
        self,
        pixels: Tensor,
        of_pixels: Tensor,
        widen: nn.Conv2d,
        depthwise: nn.Conv2d,
        dtype: torch.dtype,
        branches: int = 1,
        norm: LayerNorm2d | None = None,
    ) -> None:
        self.pixels, self.of_pixels, self.dtype, self.norm = pixels, of_pixels, dtype, norm
        self.of_norm = [torch.zeros_like(one) for one in norm.parameters()] if norm else []
        self.widen = Summed(widen, dtype, made=branches)
        self.depthwise = Summed(depthwise, dtype, made=branches)

    def __iter__(self) -> Iterator[tuple[slice, slice, Tensor]]:
        """Give images, rows and their part of the wide map, (images, rows, W, C).

        ``learn`` is to be called with its gradient before the next is asked for.
        """
        shape, channels = size_of(self.pixels), self.depthwise.weight.shape[0]
        for images, rows in strips(shape, max(channels // TIMES, 1), self.dtype):
            yield images, rows, self._make(images, rows)

    def _make(self, images: slice, rows: slice) -> Tensor:
        height = self.pixels.shape[1]
        # A row above and one below, where the map has them; zeros where it ends.
        near = slice(max(rows.start - 1, 0), min(rows.stop + 1, height))
        first = near.start - rows.start + 1
        self._place = images, near
        self._inside = slice(first, first + near.stop - near.start)
        self._given = self.pixels[self._place].detach()
        if self.norm is not None:
            with torch.enable_grad():
                self._given.requires_grad_()
                self._normed = self.norm.normalize(self._given)
        dense = self._given if self.norm is None else self._normed
        self._dense = dense.detach().to(self.dtype)
        weight, bias = self.widen.weight, self.widen.bias
        count, _, width, _ = self._dense.shape
        self._window = dense.new_zeros(
            count, rows.stop - rows.start + 2, width, len(weight), dtype=self.dtype
        )
        for image, out in zip(self._dense, self._window, strict=True):
            project(image, weight, bias, out[self._inside])
        wide = F.conv2d(
            self._window.permute(0, 3, 1, 2),
            self.depthwise.weight,
            self.depthwise.bias,
            padding=(0, 1),
            groups=len(weight),
        )
        return wide.permute(0, 2, 3, 1)

    def learn(self, of_wide: Tensor) -> None:
        """Take the gradient of the strip that was given last, of the same shape."""
        kernel, bias = self.depthwise.weight, self.depthwise.bias
        of_window, of_kernel, of_bias = torch.ops.aten.convolution_backward(
            of_wide.permute(0, 3, 1, 2),
            self._window.permute(0, 3, 1, 2),
            kernel,
            None if bias is None else [len(kernel)],
            [1, 1],
            [0, 1],
            [1, 1],
            False,
            [0, 0],
            len(kernel),
            [True, True, bias is not None],
        )
        self.depthwise.add(of_kernel, of_bias)
        of_made = of_window.permute(0, 2, 3, 1)[:, self._inside].flatten(0, 2)
        self.widen.add_product(of_made, self._dense.flatten(0, 2))
        of_dense = torch.mm(of_made, self.widen.weight).view(self._dense.shape)
        if self.norm is None:
            self.of_pixels[self._place] += of_dense
            return
        inputs = [self._given, *self.norm.parameters()]
        of_given, *of_norm = differentiate(self._normed, inputs, of_dense.to(self._normed.dtype))
        assert of_given is not None
        self.of_pixels[self._place] += of_given
        for total, one in zip(self.of_norm, of_norm, strict=True):
            if one is not None:
                total += one


class Summed:
    """A convolution's weights as strips use them, and the sums of their gradients.

    Args:
        conv: A 1x1 or a depthwise one.
        dtype: That products are computed in. Sums are float32 at least.
        **branches: See ``weights_of``.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, **branches: int) -> None:
        self._own = list(conv.parameters())
        with torch.enable_grad():
            found = weights_of(conv, dtype, **branches)
        self._padded = [one for one in found if one is not None]
        self.weight = self._padded[0].detach()
        self.bias = self._padded[1].detach() if len(self._padded) > 1 else None
        exact = torch.promote_types(dtype, torch.float32)
        self._sums = [torch.zeros_like(one, dtype=exact) for one in self._padded]

    def add(self, *gradients: Tensor | None) -> None:
        """Add those of a strip, of the weight and of the bias."""
        for total, one in zip(self._sums, gradients, strict=False):
            assert one is not None
            total += one

    def add_product(self, of_made: Tensor, given: Tensor) -> None:
        """Add those of a 1x1 convolution, (pixels, out) and (pixels, in)."""
        if of_made.dtype == self._sums[0].dtype:
            self._sums[0].addmm_(of_made.t(), given)
        else:
            self._sums[0] += torch.mm(of_made.t(), given)
        if self.bias is not None:
            self._sums[1] += of_made.sum(0, dtype=self._sums[1].dtype)

    def gradients(self) -> list[Tensor | None]:
        """Give them in the shapes of the convolution's own weights; None of those that stay."""
        return [
            differentiate(padded, [own], total.to(padded.dtype))[0]
            for padded, own, total in zip(self._padded, self._own, self._sums, strict=True)
        ]


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
