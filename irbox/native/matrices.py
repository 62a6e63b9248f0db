"""The kernels of attention's small matrices as functions of tensors, all float32."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from irbox.native.library import LANES


def attention_matrix(
    library: ctypes.CDLL,
    product: Tensor,
    squares: Tensor,
    temperature: Tensor,
    kernel: Tensor | None,
) -> Tensor:
    """Compute what values are multiplied by, attention's weights and projection in one.

    Args:
        library: See ``native``.
        product: ``q^T k``, (B, heads, c, c).
        squares: Of queries and keys, summed over the pixels, (B, 2 C), C = heads c.
        temperature: (heads, 1, 1).
        kernel: Of the projection, (C_out, C), or None; C_out is a multiple of 16.

    Returns:
        (B, C, C_out), or (B, C, C).
    """
    given, sizes = _given(product, squares, temperature, kernel)
    matrix = product.new_empty(sizes[0], sizes[1] * sizes[2], sizes[3])
    library.attention_matrix_float32(
        *_at(*given), *sizes, matrix.data_ptr(), torch.get_num_threads()
    )
    return matrix


def attention_matrix_gradient(
    library: ctypes.CDLL,
    product: Tensor,
    squares: Tensor,
    temperature: Tensor,
    kernel: Tensor | None,
    of_matrix: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Compute ``attention_matrix`` once more, and differentiate it.

    Args:
        library: See ``native``.
        product: See ``attention_matrix``.
        squares: The same.
        temperature: The same.
        kernel: The same.
        of_matrix: The gradient of the answer.

    Returns:
        The answer, and the gradients of the product, the squares, the temperature and the kernel.
    """
    given, sizes = _given(product, squares, temperature, kernel)
    of_matrix = of_matrix.contiguous()
    assert of_matrix.shape == (sizes[0], sizes[1] * sizes[2], sizes[3])
    matrix, of_product = torch.empty_like(of_matrix), torch.empty_like(product)
    of_squares = squares.new_empty(squares.shape)
    of_temperature = temperature.new_empty(temperature.shape)
    of_kernel = None if given[3] is None else torch.empty_like(given[3])
    made = matrix, of_product, of_squares, of_temperature, of_kernel
    library.attention_matrix_gradient_float32(
        *_at(*given), *sizes, of_matrix.data_ptr(), *_at(*made), torch.get_num_threads()
    )
    turned = None if of_kernel is None else of_kernel.t()
    return matrix, of_product, of_squares, of_temperature, turned


def _given(
    product: Tensor, squares: Tensor, temperature: Tensor, kernel: Tensor | None
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor | None], tuple[int, int, int, int]]:
    """Lay them out as the kernels read them; say images, heads, channels of a head and made."""
    batch, heads, size, _ = product.shape
    made = heads * size if kernel is None else len(kernel)
    assert squares.shape == (batch, 2 * heads * size) and temperature.numel() == heads
    assert kernel is None or (not made % LANES and kernel.shape[1] == heads * size)
    turned = None if kernel is None else kernel.t().contiguous()
    given = product.contiguous(), squares.contiguous(), temperature, turned
    assert all(one is None or one.dtype == torch.float32 for one in given)
    return given, (batch, heads, size, made)


def _at(*tensors: Tensor | None) -> tuple[int | None, ...]:
    return tuple(None if one is None else one.data_ptr() for one in tensors)
