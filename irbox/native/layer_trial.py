"""The kernels of whole layers beside their twins, on small maps."""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from irbox.native import layer_gradients, layer_twins, layers
from irbox.native.layer_gradients import Gradients
from irbox.native.layers import Layer, Norm, Widening

Draw = Callable[..., Tensor]


def trials(
    library: ctypes.CDLL,
    draw: Draw,
    size: tuple[int, int, int, int],
    heads: int,
    rows: int,
    keeps: bool = True,
    dtype: torch.dtype = torch.float32,
    across: int | None = None,
) -> Iterator[tuple[str, list[Tensor], list[Tensor]]]:
    """Give each kernel's name, its answers and those of its twin.

    Args:
        library: It multiplies (``products.taken_at_once``).
        draw: Gives a tensor of a size.
        size: B, H, W and C of the layers' input; C by heads is a multiple of 16.
        heads: Of attention.
        rows: Of a strip; 0: whole images, one after the other, without a norm and biases.
        keeps: The wide map is kept; else there are forward passes alone, of which two write where
            their input is.
        dtype: Of maps and matrices; float32 where the wide map is kept.
        across: Columns of a strip, where it is not; None: all.
    """
    batch, _, _, dim = size
    norm = Norm(draw(dim), draw(dim), 1e-5) if rows else None
    square = draw(dim, dim), draw(dim) if rows else None

    def layer(wide: int) -> Widening:
        shape = batch, size[1] + 2 * bool(rows), size[2], wide
        kept, shift = torch.zeros(shape) if keeps else None, draw(wide) if rows else None
        together = rows or (1 if keeps else size[1])
        # In half precision 3x3s multiply numbers of half precision.
        taps = draw(9, wide).to(dtype).float()
        inside = Layer(draw(*size).to(dtype), kept, together, taps, shift, norm, across)
        return Widening(inside, scaled(wide, dim), draw(wide) if rows else None)

    def scaled(made: int, given: int) -> Tensor:
        return draw(made, given).div(given**0.5).to(dtype)

    def gradients(by: Widening) -> Gradients:
        wide = by.layer.wide
        base, bias = draw(*size), None if by.bias is None else draw(wide)
        of_norm = None if norm is None else draw(2, dim)
        of_pixels, of_weight = torch.empty(size), draw(wide, dim)
        return Gradients(by.weight, base, of_pixels, of_weight, bias, draw(10, wide), of_norm)

    def answer(by: Widening) -> Tensor:
        return torch.empty(size) if keeps else by.layer.pixels  # which may be written over

    def both(name: str, *given: Any) -> tuple[str, list[Tensor], list[Tensor]]:
        """Of a kernel that writes into what it is given."""
        other = copy.deepcopy(given)
        here = layers if hasattr(layers, name) else layer_gradients
        getattr(here, name)(library, *given)
        getattr(layer_twins, name)(*other)
        return name, _tensors(given), _tensors(other)

    half = 2 * dim
    by = layer(2 * half)
    narrow = scaled(dim, half)
    yield both('feed_forward', by, narrow, square[1], answer(by))
    if keeps:
        of_narrow = draw(dim, half), square[1]
        learned = by.layer, gradients(by), draw(*size)
        yield both('feed_forward_gradient', *learned, narrow, *of_narrow)
    by = layer(3 * dim)
    product, squares = draw(batch, heads, dim // heads, dim // heads), draw(batch, 2 * dim)
    yield both('attention_sums', by, answer(by), product, squares)
    if keeps:
        learned = by.layer, gradients(by), draw(*size)
        yield both('attention_gradient', *learned, draw(batch, dim, dim), product, squares)
    by = layer(dim)
    yield both('mask', by, torch.empty(size, dtype=dtype))
    if keeps:
        yield both('mask_gradient', by.layer, gradients(by), draw(*size).sigmoid(), draw(*size))
    if norm is None:
        return
    together, pixels, values = max(1, rows * size[2] - 1), *(draw(*size).to(dtype) for _ in '12')
    matrices = draw(batch, dim, dim).to(dtype), square[1]
    gated = (square[0].to(dtype), square[1]), (draw(dim, dim).to(dtype), draw(dim))
    given = pixels, norm, values, matrices, *gated
    if not keeps:
        found = [layers.gated_answer(library, *given, together, (None, None))]
        yield 'gated_answer', found, [layer_twins.gated_answer(*given, (None, None))]
        return
    kept, twin_kept = ((torch.empty(size), torch.empty(size)) for _ in range(2))
    found = [layers.gated_answer(library, *given, together, kept), *kept]
    expected = [layer_twins.gated_answer(*given, twin_kept), *twin_kept]
    yield 'gated_answer', found, expected
    maps, weights = (draw(*size), values, kept[1]), (square[0], gated[1][0])
    sums = draw(dim, dim), draw(dim), draw(dim, dim), draw(dim), draw(2, dim)
    twin_sums = copy.deepcopy(sums)
    of_pixels, of_twin = torch.empty(size), torch.empty(size)
    of_attended = layer_gradients.gated_gradient(
        library, pixels, norm, maps, weights, together, of_pixels, sums
    )
    other = layer_twins.gated_gradient(pixels, norm, maps, weights, of_twin, twin_sums)
    yield 'gated_gradient', [of_attended, of_pixels, *sums], [other, of_twin, *twin_sums]


def _tensors(given: Any) -> list[Tensor]:
    """All tensors in some arguments."""
    if isinstance(given, Tensor):
        return [given]
    if isinstance(given, (Layer, Widening, Gradients)):
        return _tensors(list(vars(given).values()))
    return [one for part in given for one in _tensors(part)] if _has_parts(given) else []


def _has_parts(given: Any) -> bool:
    return isinstance(given, (list, tuple))
