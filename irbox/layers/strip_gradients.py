"""Backward passes in strips of rows: a wide map is made again, and differentiated, in the cache.

A layer that learns as a whole keeps its wide maps until the backward pass. In strips it keeps its
input; each strip is made again when its gradient is due. The products that this takes once more
cost less than large maps that leave the caches, where the map is large.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.gate import gate_with_gradient
from irbox.layers.norm import LayerNorm2d
from irbox.layers.norm_sums import NormSums
from irbox.layers.plain import are_depthwise, is_traced, is_watched
from irbox.layers.strips import (
    TIMES,
    computing_dtype,
    learns,
    size_of,
    strip_of_kept,
    strips,
    whole_images,
)
from irbox.layers.summed_gradients import Summed
from irbox.native import operators
from irbox.native.layer_gradients import Gradients
from irbox.native.layers import Layer
from irbox.native.library import LANES, native
from irbox.native.products import taken_at_once
from irbox.utils.keep_memory import keeps_memory

LEAST_PIXELS = 2**14
"""Of all images. Maps of fewer have more channels: products are most of what they take, and they
stay in the caches anyway."""
LEAST_KEPT, MOST_KEPT, MOST_KEPT_FOR_GOOD = 2**18, 2**24, 2**27
"""Bytes of a wide map that is kept for the kernels of the backward pass. Smaller ones stay in a
cache whatever computes; larger ones are made again, strip by strip. Where the process keeps its
memory more is worth it: new pages take as long as making a large map again."""


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
    # First whether they are plain: while they are traced, sizes are tensors.
    return _is_plain(x, modules) and x.numel() // x.shape[1] >= LEAST_PIXELS


def _is_plain(x: Tensor, modules: Sequence[nn.Module | None]) -> bool:
    """Tell whether layers learn, and nobody compiles, exports, traces or watches them."""
    if is_traced(x):
        return False
    there = [one for one in modules if one is not None]
    return learns(x, there) and not is_watched(there) and are_depthwise(there)


def can_learn_by_kernels(x: Tensor, wide: int, *modules: nn.Module | None) -> bool:
    """Tell whether kernels of ours are to differentiate layers, which keep their wide map.

    On a CPU that has them, where that map is neither small nor large (``keep_memory`` decides what
    is large).

    Args:
        x: (B, C, H, W), their input.
        wide: Channels of the wide map.
        *modules: The layers.
    """
    if x.device.type not in ('cpu', 'meta') or computing_dtype(x) not in operators.KINDS:
        return False
    if not _is_plain(x, modules):
        return False
    size = wide * x.numel() // x.shape[1] * computing_dtype(x).itemsize
    most = MOST_KEPT_FOR_GOOD if keeps_memory() else MOST_KEPT
    return LEAST_KEPT <= size <= most and native() is not None


class WideStrips:
    """``widen_in_strips`` for a backward pass: makes a strip, then takes the gradient of it.

    Args:
        pixels: (B, H, W, C).
        of_pixels: See ``NormSums``.
        widen: 1x1 convolution, C -> the wide map.
        depthwise: Of the wide map, 3x3.
        dtype: To compute in.
        branches: That lie side by side in the wide map, each padded to whole vectors.
        norm: Applied to the pixels first.
        kept: The wide map, where the forward pass kept it, see ``kept_map``.
        base: See ``NormSums``.
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
        kept: Tensor | None = None,
        base: Tensor | None = None,
    ) -> None:
        self.shape, self.dtype, self.kept = size_of(pixels), dtype, kept
        self.norm = NormSums(norm, pixels, of_pixels, dtype, base)
        # The gradient of the two rows that the next strip learns with.
        self._rest = pixels.new_empty(0)
        self.widen = Summed(widen, dtype, made=branches)
        self.depthwise = Summed(depthwise, dtype, made=branches)
        weight, bias = self.depthwise.weight, self.depthwise.bias
        fits = dtype in operators.KINDS and not len(weight) % LANES and weight.device.type == 'cpu'
        self.library = native() if fits else None
        if self.library is not None:
            self._taps = operators.taps(weight)
            self._shift = None if bias is None else bias.float()

    @contextmanager
    def at_once(self, whole: int = LANES) -> Iterator[tuple[ctypes.CDLL, Layer, Gradients] | None]:
        """Give the layer to a kernel that learns from all strips; None where none does.

        That is so where the wide map was not kept, and where channels are no whole vectors.

        Args:
            whole: Of the wide map, what has to be whole vectors as well.
        """
        pixels, norm, kept = self.norm.pixels, self.norm.for_kernels(), self.kept
        plain = self.dtype == pixels.dtype == torch.float32
        fits = plain and not pixels.shape[3] % LANES and not whole % LANES
        fits = fits and (norm is not None or self.norm.is_none)
        library = self.library if fits and kept is not None else None
        if kept is None or library is None or not taken_at_once(library, self.dtype):
            yield None
            return
        together, channels = strip_of_kept(kept, self.shape[1]), kept.shape[3]
        layer = Layer(pixels.contiguous(), kept, together, self._taps, self._shift, norm)
        of_taps, of_pixels = self._taps.new_zeros(10, channels), self.norm.of_pixels
        of_norm = None if norm is None else pixels.new_zeros(2, pixels.shape[3])
        yield library, layer, Gradients(
            self.widen.weight.contiguous(), self.norm.base, of_pixels, *self.widen.sums, of_taps,
            of_norm,
        )  # fmt: skip
        self.depthwise.add(of_taps[:9].t().reshape(channels, 1, 3, 3), of_taps[9])
        if of_norm is not None:
            self.norm.add_sums(of_norm)

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        """Give images and rows, one strip after the other.

        ``convolve`` gives what the layer makes of the wide map there, and ``learn`` or
        ``learn_gated`` is to be called before the next strip is asked for.
        """
        shape, channels = self.shape, self.depthwise.weight.shape[0]
        if self.kept is None or self.kept.shape[1] > shape[1]:
            found = strips(shape, max(channels // TIMES, 1), self.dtype)
        else:
            whole = slice(0, shape[1])
            found = ((one, whole) for one in whole_images(shape, channels, self.dtype, TIMES))
        for images, rows in found:
            self._make(images, rows)
            yield images, rows

    def _make(self, images: slice, rows: slice) -> None:
        height, width = self.shape[1:]
        # A row above and one below; zeros where the map ends.
        apart = self.kept is not None and self.kept.shape[1] > height
        self._margin = apart or rows.stop - rows.start < height
        if not self._margin:
            self._place, self._dense = (images, rows), self.norm.normalize((images, rows))
            if self.kept is not None:
                self._window = self.kept[images]
            else:
                self._window = self._widen(self._dense)
            return
        # Two rows were made for the strip above this one; the last two are learned with the next.
        follows, ends = rows.start > 0, rows.stop == height
        self._follows, self._ends = follows, ends
        self._place = images, slice(rows.start - follows, rows.stop - (not ends))
        if self.kept is not None:
            self._window = self.kept[images, rows.start : rows.stop + 2]
            self._dense = self.norm.normalize(self._place)
            return
        made = slice(rows.start + 1 if follows else 0, min(rows.stop + 1, height))
        # Normalising two rows again costs less than copying those that follow them.
        dense = self.norm.normalize((images, slice(max(rows.start - 1, 0), made.stop)))
        fresh = dense[:, 2:] if follows else dense
        window = dense.new_empty(1, rows.stop - rows.start + 2, width, len(self.widen.weight))
        first = made.start - rows.start + 1
        self._widen(fresh, window[:, first : first + made.stop - made.start])
        if follows:
            window[:, :2] = self._window[:, -2:]
        else:
            window[:, 0] = 0
        if ends:
            window[:, -1] = 0
        self._window, self._dense = window, dense

    def _widen(self, dense: Tensor, out: Tensor | None = None) -> Tensor:
        size = *dense.shape[:3], len(self.widen.weight)
        made = dense.new_empty(size) if out is None else out
        if made.numel():
            self.widen.linear(dense, made)
        return made

    def convolve(self) -> Tensor:
        """Convolve the wide map: (images, rows, W, C)."""
        wide = F.conv2d(
            self._window.permute(0, 3, 1, 2),
            self.depthwise.weight,
            self.depthwise.bias,
            padding=(0 if self._margin else 1, 1),
            groups=len(self.depthwise.weight),
        )
        return wide.permute(0, 2, 3, 1)

    def learn_gated(self, of_gated: Tensor) -> Tensor:
        """Convolve the wide map, let one half of it gate the other, and take the gradient of that.

        Args:
            of_gated: (images, rows, W, C / 2), the answer's gradient.

        Returns:
            The answer, of the same shape.
        """
        if self.library is None or len(self.depthwise.weight) // 2 % LANES:
            gated, of_wide = gate_with_gradient(self.convolve(), of_gated)
            self.learn(of_wide)
            return gated
        gated, *found = operators.gate_gradient(
            self.library, self._window, self._taps, self._shift, self._margin, of_gated
        )
        self._learn(*found)
        return gated

    def attend(self, dim: int) -> Tensor:
        """Give queries and keys of the convolved map, (images, rows, W, 2 dim)."""
        if self.library is None or dim % LANES:
            return self.convolve()[..., : 2 * dim]
        given = self._window, self._taps, self._shift, self._margin, dim, None
        return operators.attend(self.library, *given)[0]

    def learn(self, of_wide: Tensor) -> None:
        """Take the gradient of the convolved map of the present strip."""
        self._learn(*self._of_convolution(of_wide.contiguous()))

    def _learn(self, of_window: Tensor, *of_weights: Tensor) -> None:
        self.depthwise.add(*of_weights)
        dense = self._dense
        if self._margin:
            if self._follows:
                of_window[:, :2] += self._rest
            self._rest = of_window[:, -2:]
            of_window = of_window[:, 0 if self._follows else 1 : -1 if self._ends else -2]
            dense = dense[:, : of_window.shape[1]]
        of_made = of_window.flatten(0, 2)
        self.widen.add_product(of_made, dense.flatten(0, 2))
        self.norm.add(self._place, self.widen.of_given(of_made).view(dense.shape))

    def _of_convolution(self, of_wide: Tensor) -> tuple[Tensor, ...]:
        """Of the window, the kernel and the bias."""
        if self.library is not None:
            return operators.depthwise_gradient(
                self.library, self._window, self._taps, self._margin, of_wide
            )
        kernel, bias = self.depthwise.weight, self.depthwise.bias
        of_window, *of_weights = torch.ops.aten.convolution_backward(
            of_wide.permute(0, 3, 1, 2),
            self._window.permute(0, 3, 1, 2),
            kernel,
            None if bias is None else [len(kernel)],
            [1, 1],
            [0 if self._margin else 1, 1],
            [1, 1],
            False,
            [0, 0],
            len(kernel),
            [True, True, bias is not None],
        )
        return of_window.permute(0, 2, 3, 1), *of_weights
