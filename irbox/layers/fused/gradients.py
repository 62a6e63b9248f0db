"""Backward passes of what layers are made of, as calls of operators and of torch's products."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.fused import gradient_operators as operators
from irbox.layers.norm import LayerNorm2d
from irbox.triton_kernels.sizes import LANES

Gradients = list[Tensor | None]
"""Of a layer's weight, and of its bias if it has one."""

SUMMED_IN_PARTS = 2**22
"""Numbers from which a sum of torch over pixels takes longer than two launches (an H100)."""
PIXEL_PARTS, PIXELS_EACH = 64, 8
"""See ``summed_products``: powers of two, as sizes of maps are multiples of."""


def of_depthwise(
    conv: nn.Conv2d, wide: Tensor, of_convolved: Tensor, like: Tensor, branches: int = 1
) -> tuple[Tensor, Gradients]:
    """Differentiate ``layers.depthwise``: give the gradients of its rows and of its weights."""
    of_wide, *sums = operators.depthwise_gradient(
        wide,
        of_convolved,
        conv.weight.flatten(1),
        conv.bias is not None,
        branches,
        *like.shape[-2:],
    )
    own: list[Tensor] = list(conv.parameters())
    return of_wide, [
        over_parts(total).to(one.dtype).view(one.shape)
        for total, one in zip(sums, own, strict=False)
    ]


def of_pointwise(conv: nn.Conv2d, of_made: Tensor, given: Tensor, made: int = 0) -> Gradients:
    """Differentiate a 1x1 convolution by its weights.

    Args:
        conv: C_in -> C_out.
        of_made: (P, C_out), the answer's gradient.
        given: (P, C_in), perhaps padded.
        made: How many branches lie side by side in the answer, each of which is padded; 0 where the
            answer is as it is.
    """
    found: Gradients = [_trim(of_made.t() @ given, conv.weight, made)]
    if conv.bias is not None:
        found.append(_trim(summed_rows(of_made).unsqueeze(1), conv.bias, made))
    return found


def of_given(conv: nn.Conv2d, of_made: Tensor, made: int = 0, given: bool = False) -> Tensor:
    """Differentiate a 1x1 convolution by what it is given: (P, C_out) -> (P, C_in).

    Args:
        conv: C_in -> C_out.
        of_made: The answer's gradient.
        made: See ``of_pointwise``.
        given: Give the gradient in whole vectors. Products of odd widths are slow.
    """
    weight = conv.weight.flatten(1).to(of_made.dtype)
    missing = -(len(weight) // max(made, 1)) % LANES if made else 0
    if missing:
        weight = F.pad(weight.view(made, -1, weight.shape[1]), (0, 0, 0, missing)).flatten(0, 1)
    if given and weight.shape[1] % LANES:
        weight = F.pad(weight, (0, -weight.shape[1] % LANES))
    return of_made @ weight


def _trim(padded: Tensor, own: Tensor, made: int) -> Tensor:
    """Leave out what is padding, of a matrix (C_out, C_in), and give the shape and dtype asked."""
    branches, width = max(made, 1), own[0].numel()
    if padded.numel() == own.numel() and padded.dtype == own.dtype:
        return padded.view(own.shape)
    apart = padded.view(branches, -1, padded.shape[1])[:, : len(own) // branches, :width]
    answer = padded.new_empty(own.shape, dtype=own.dtype)
    answer.view(apart.shape).copy_(apart)
    return answer


def of_norm(
    norm: LayerNorm2d | None, rows: Tensor, of_normed: Tensor, added: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Gradients]:
    """Differentiate a norm, or none, in front of a layer.

    Args:
        norm: Or None.
        rows: (P, C), what it normalises.
        of_normed: (P, C), the gradient of its answer.
        added: (P, C), what comes to the rows' gradient past a norm and the layer.
        dtype: That the layer computes in.

    Returns:
        The gradient of the rows; what the layer was given; the gradients of the norm's weights.
    """
    if norm is None:
        return of_normed.to(rows.dtype), rows.to(dtype), []
    of_rows, normed, sums = operators.norm_gradient(
        rows, of_normed, norm.weight, norm.bias, added, norm.eps, dtype == torch.bfloat16
    )
    found = over_parts(sums)
    return of_rows, normed, [one.to(norm.weight.dtype) for one in found.unbind()]


def summed_rows(rows: Tensor) -> Tensor:
    """Sum rows over all pixels, (P, C) -> (C,), float32."""
    if rows.numel() < SUMMED_IN_PARTS:
        return rows.sum(0, dtype=torch.float32)
    return over_parts(operators.column_sums(rows))


def over_parts(sums: Tensor) -> Tensor:
    """Add up what was summed in parts, (parts, ...) -> (...)."""
    return sums[0] if len(sums) == 1 else sums.sum(0)


def summed_products(first: Tensor, second: Tensor, images: int) -> Tensor:
    """Sum ``first^T second`` over each image's pixels: (P, M), (P, N) -> (B, M, N), float32.

    In up to ``PIXEL_PARTS`` parts: one product of two narrow maps that sums over all pixels of an
    image would keep one unit of a device busy. Each has ``PIXELS_EACH`` times as many pixels as
    channels at least, so that the products are few beside the maps.
    """
    pixels = len(first) // images
    most = pixels // (PIXELS_EACH * max(first.shape[1], second.shape[1]))
    parts = math.gcd(pixels, 1 << (max(1, min(PIXEL_PARTS, most)).bit_length() - 1))
    first, second = (one.view(images * parts, -1, one.shape[1]) for one in (first, second))
    products = torch.bmm(first.transpose(1, 2), second)
    return products.view(images, parts, *products.shape[1:]).sum(1, dtype=torch.float32)
