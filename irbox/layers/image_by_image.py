"""Layers that learn image by image, each way by one call of the kernels."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from irbox.layers.norm import LayerNorm2d
from irbox.layers.strips import computing_dtype, pixels_of
from irbox.layers.widen import norm_for_kernels
from irbox.native import image_layers
from irbox.native.image_layers import Kept
from irbox.native.image_parts import can_learn
from irbox.native.library import LANES, native


def library_for(
    x: Tensor, wide: Tensor | None, norm: LayerNorm2d | None, *convs: nn.Conv2d | None
) -> ctypes.CDLL | None:
    """Give the kernels, where they take a layer from end to end; None elsewhere.

    Args:
        x: (B, C, H, W), its input.
        wide: Memory of its wide map, see ``kept_map``: that of whole images, which stay in caches.
        norm: The layer's, if it has one.
        *convs: Its convolutions; None of them may be missing.
    """
    if x.is_meta or wide is None or wide.shape[1] != x.shape[2] or x.shape[1] % LANES:
        return None
    if not computing_dtype(x) == x.dtype == torch.float32:
        return None
    there = [conv for conv in convs if conv is not None and conv.bias is None]
    if len(there) < len(convs):
        return None
    weights = [*(conv.weight for conv in there), *(norm.parameters() if norm else ())]
    if not all(one.dtype == torch.float32 and one.is_contiguous() for one in weights):
        return None
    library = native()
    return library if can_learn(library) else None


def feed_forward(
    library: ctypes.CDLL, x: Tensor, norm: LayerNorm2d, weights: Sequence[Tensor], wide: Tensor
) -> Tensor:
    """Compute ``x + ffn(norm(x))``, (B, C, H, W) -> same shape.

    Args:
        library: See ``library_for``.
        x: The map.
        norm: The layer's.
        weights: Of its convolutions, then of the norm.
        wide: Memory of the wide map, written to.
    """
    given = pixels_of(x), norm_for_kernels(norm), _own(weights[:3]), wide
    return _map(image_layers.feed_forward(library, *given))


def feed_forward_gradient(
    library: ctypes.CDLL,
    x: Tensor,
    norm: LayerNorm2d,
    weights: Sequence[Tensor],
    wide: Tensor,
    grad: Tensor,
) -> list[Tensor]:
    """Differentiate ``feed_forward``: gradients of the map and of the weights, in their order.

    Args:
        library: See ``feed_forward``.
        x: The same.
        norm: The same.
        weights: The same.
        wide: What was written.
        grad: The answer's gradient.
    """
    given = pixels_of(x), norm_for_kernels(norm), _own(weights[:3]), wide, pixels_of(grad)
    of_pixels, own, of_norm = image_layers.feed_forward_gradient(library, *given)
    return [_map(of_pixels), *own, *of_norm[: len(weights) - 3]]


def self_attention(
    library: ctypes.CDLL, x: Tensor, norm: LayerNorm2d, weights: Sequence[Tensor], wide: Tensor
) -> tuple[Tensor, Kept]:
    """Compute ``x + attention(norm(x))``; give what the backward pass needs as well.

    Args:
        library: See ``feed_forward``.
        x: The same.
        norm: The same.
        weights: The temperature, those of the convolutions, then of the norm.
        wide: See ``feed_forward``.
    """
    given = pixels_of(x), norm_for_kernels(norm), _own(weights[:4]), wide
    answer, kept = image_layers.self_attention(library, *given)
    return _map(answer), kept


def self_attention_gradient(
    library: ctypes.CDLL,
    x: Tensor,
    norm: LayerNorm2d,
    weights: Sequence[Tensor],
    kept: Kept,
    grad: Tensor,
) -> list[Tensor]:
    """Differentiate ``self_attention``, as ``feed_forward_gradient`` does."""
    given = pixels_of(x), norm_for_kernels(norm), _own(weights[:4]), kept, pixels_of(grad)
    of_pixels, own, of_norm = image_layers.self_attention_gradient(library, *given)
    return [_map(of_pixels), *own, *of_norm[: len(weights) - 4]]


def cross_attention(
    library: ctypes.CDLL, query: Tensor, source: Tensor, weights: Sequence[Tensor], wide: Tensor
) -> tuple[Tensor, Kept]:
    """Compute ``attention(query, source)``; give what the backward pass needs as well.

    Args:
        library: See ``feed_forward``.
        query: (B, C, H, W).
        source: The same.
        weights: The temperature and those of the convolutions.
        wide: See ``feed_forward``.
    """
    given = pixels_of(query), pixels_of(source), _own(weights), wide
    answer, kept = image_layers.cross_attention(library, *given)
    return _map(answer), kept


def cross_attention_gradient(
    library: ctypes.CDLL,
    query: Tensor,
    source: Tensor,
    weights: Sequence[Tensor],
    kept: Kept,
    grad: Tensor,
) -> list[Tensor]:
    """Differentiate ``cross_attention``: gradients of both maps and of the weights."""
    given = pixels_of(query), pixels_of(source), _own(weights), kept, pixels_of(grad)
    of_query, of_source, own = image_layers.cross_attention_gradient(library, *given)
    return [_map(of_query), _map(of_source), *own]


def _own(weights: Sequence[Tensor]) -> list[Tensor]:
    return [one.detach() for one in weights]


def _map(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2)
