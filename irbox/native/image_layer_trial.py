"""Layers of one call beside their twins: a part of what a compiler must pass, see ``trial``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import Tensor

from irbox.native import image_layer_twins as twins
from irbox.native import image_layers
from irbox.native.layers import Norm


def calls(
    library: ctypes.CDLL, draw: Callable[..., Tensor]
) -> Iterator[tuple[str, list[Tensor], list[Tensor]]]:
    """Give each layer's name, its answers and those of its twin."""
    # More images than threads, and a hidden width of no whole vectors.
    pixels, source, grad = (draw(5, 3, 5, 32) for _ in range(3))
    norm, bias = Norm(draw(32), None, 1e-5), draw(32)
    weights = [draw(36, 32, 1, 1), draw(36, 1, 3, 3), draw(32, 18, 1, 1)]
    inputs = [pixels, norm.weight, bias, *weights]
    norm = replace(norm, bias=bias)

    def normed(given: list[Tensor]) -> Norm:
        return Norm(given[1], given[2], norm.eps)

    wide = pixels.new_empty(5, 3, 5, 64)
    answer = image_layers.feed_forward(library, pixels, norm, weights, wide)
    given = pixels, norm, weights, wide, grad
    of_pixels, of_weights, of_norm = image_layers.feed_forward_gradient(library, *given)
    found = [answer, of_pixels, *of_norm, *of_weights]
    expected, gradients = twins.differentiated(
        lambda own: twins.feed_forward(own[0], normed(own), own[3:]), inputs, grad
    )
    yield 'feed_forward', found, [expected, *gradients]
    for heads in (2, 4):
        small = [draw(heads, 1, 1), 0.3 * draw(96, 32, 1, 1), draw(96, 1, 3, 3), draw(32, 32, 1, 1)]
        inputs = [pixels, norm.weight, bias, *small]
        wide = pixels.new_empty(5, 3, 5, 96)
        answer, kept = image_layers.self_attention(library, pixels, norm, small, wide)
        given_too = pixels, norm, small, kept, grad
        of_pixels, of_weights, of_norm = image_layers.self_attention_gradient(library, *given_too)
        found = [answer, of_pixels, *of_norm, *of_weights]
        expected, gradients = twins.differentiated(
            lambda own: twins.self_attention(own[0], normed(own), own[3:]), inputs, grad
        )
        yield 'self_attention', found, [expected, *gradients]
    ask = [draw(2, 1, 1), draw(32, 32, 1, 1), draw(32, 1, 3, 3)]
    small = [*ask, draw(64, 32, 1, 1), draw(64, 1, 3, 3), draw(32, 32, 1, 1)]
    answer, kept = image_layers.cross_attention(library, pixels, source, small, wide)
    asked = pixels, source, small, kept, grad
    of_query, of_source, of_weights = image_layers.cross_attention_gradient(library, *asked)
    expected, gradients = twins.differentiated(
        lambda own: twins.cross_attention(own[0], own[1], own[2:]), [pixels, source, *small], grad
    )
    yield 'cross_attention', [answer, of_query, of_source, *of_weights], [expected, *gradients]
