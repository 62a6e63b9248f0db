"""What the kernels compute, by torch's operators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.native.expert_operators import Perceptrons


def gate(window: Tensor, weight: Tensor, bias: Tensor | None, margin: bool) -> Tensor:
    """See ``operators.gate``."""
    opened, value = _convolve(window, weight, bias, margin).chunk(2, dim=-1)
    return (F.gelu(opened) * value).to(window.dtype)


def attend(
    window: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margin: bool,
    dim: int,
    values: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """See ``operators.attend``."""
    wide = _convolve(window, weight, bias, margin)
    both = wide[..., : 2 * dim]
    if values is not None:
        values.copy_(wide[..., 2 * dim : 3 * dim])
    return both.to(window.dtype), both.square().sum((1, 2))


def mask(window: Tensor, weight: Tensor, bias: Tensor | None, margin: bool, answer: Tensor) -> None:
    """See ``operators.mask``."""
    answer.copy_(_convolve(window, weight, bias, margin)[..., : answer.shape[-1]].sigmoid())


def product(
    pixels: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    squash: bool,
    times: Tensor | None,
    plus: Tensor | None,
    factor: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """See ``products.product``; ``weight`` is (N, K). Give the answer and ``opened``."""
    x = F.linear(pixels.float(), weight.float(), bias)
    opened = x.sigmoid() if squash else x
    x = opened if times is None else opened * times.float()
    if plus is not None:
        x = x + (plus.float() if factor is None else plus.float() * factor)
    return x.to(pixels.dtype), opened.to(pixels.dtype)


def open_gradient(
    pixels: Tensor, weight: Tensor, opened: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See ``products.open_gradient``; ``weight`` is (N, K). Give the value's gradient last."""
    grad = F.linear(pixels.float(), weight.float())
    by, other = opened.float(), value.float()
    found = by * other, grad * other * by * (1 - by), grad * by
    first, second, third = (one.to(pixels.dtype) for one in found)
    return first, second, third


def gate_gradient(
    window: Tensor, weight: Tensor, bias: Tensor | None, margin: bool, of_answer: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See ``operators.gate_gradient``."""
    opened, value = _convolve(window, weight, bias, margin).chunk(2, dim=-1)
    grad = of_answer.float()
    of_opened = torch.ops.aten.gelu_backward(grad * value, opened)
    of_convolved = torch.cat([of_opened, grad * F.gelu(opened)], -1)
    answer = (F.gelu(opened) * value).to(window.dtype)
    return answer, *depthwise_gradient(window, weight, margin, of_convolved)


def depthwise_gradient(
    window: Tensor, weight: Tensor, margin: bool, of_answer: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See ``operators.depthwise_gradient``."""
    channels = window.shape[-1]
    of_window, of_weight, of_bias = torch.ops.aten.convolution_backward(
        of_answer.permute(0, 3, 1, 2).float(),
        window.permute(0, 3, 1, 2).float(),
        weight.t().reshape(channels, 1, 3, 3),
        [channels],
        [1, 1],
        [0 if margin else 1, 1],
        [1, 1],
        False,
        [0, 0],
        channels,
        [True, True, True],
    )
    return of_window.permute(0, 2, 3, 1).to(window.dtype), of_weight, of_bias


def normalize_gradient(
    pixels: Tensor,
    weight: Tensor,
    centred: bool,
    eps: float,
    of_answer: Tensor,
    of_pixels: Tensor,
) -> Tensor:
    """See ``norm_gradient.normalize_gradient``."""
    grad = of_answer.float()
    apart = pixels - pixels.mean(-1, keepdim=True)
    scale = (apart.square().mean(-1, keepdim=True) + eps) ** -0.5
    given = apart if centred else pixels
    along = (grad * weight * given).mean(-1, keepdim=True) * scale**3
    even = (grad * weight).mean(-1, keepdim=True) if centred else 0
    of_pixels += (grad * weight - even) * scale - apart * along
    return torch.stack([grad * given * scale, grad]).flatten(1, -2).sum(1)


def normalize(
    pixels: Tensor, weight: Tensor, bias: Tensor | None, eps: float, dtype: torch.dtype
) -> Tensor:
    """See ``operators.normalize``."""
    x = pixels.float()
    mean = x.mean(-1, keepdim=True)
    scaled = (x if bias is None else x - mean) * (x.var(-1, keepdim=True, correction=0) + eps) ** (
        -0.5
    )
    answer = scaled * weight
    return (answer if bias is None else answer + bias).to(dtype)


def causal(u: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """See ``scan_operators.causal``."""
    return F.silu(_look_back(u, weight, bias))


def causal_gradient(
    u: Tensor, weight: Tensor, bias: Tensor | None, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See ``scan_operators.causal_gradient``."""
    sums = _look_back(u, weight, bias)
    s = sums.sigmoid()
    of_sums, width = grad * s * (1 + sums * (1 - s)), len(weight)
    seen = F.pad(of_sums, (0, 0, 0, width - 1)).unfold(1, width, 1).flip(-1)
    earlier = F.pad(u, (0, 0, width - 1, 0)).unfold(1, width, 1)
    of_weight = (of_sums[..., None] * earlier).sum((0, 1)).t()
    return (seen * weight.t()).sum(-1), of_weight, of_sums.sum((0, 1))


def _look_back(u: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padded = F.pad(u, (0, 0, len(weight) - 1, 0))
    answer = (padded.unfold(1, len(weight), 1) * weight.t()).sum(-1)
    return answer if bias is None else answer + bias


def _convolve(window: Tensor, weight: Tensor, bias: Tensor | None, margin: bool) -> Tensor:
    channels = window.shape[-1]
    answer = F.conv2d(
        window.permute(0, 3, 1, 2).float(),
        weight.t().reshape(channels, 1, 3, 3),
        bias,
        padding=(0 if margin else 1, 1),
        groups=channels,
    )
    return answer.permute(0, 2, 3, 1)


def experts(
    pixels: Tensor, weights: Tensor, own: Perceptrons, base: Tensor | None, log: bool = False
) -> Tensor:
    """See ``expert_operators.experts``."""
    wide = torch.einsum('pc,nhc->pnh', pixels, own.first) + own.first_bias
    answers = torch.einsum('pnh,nch->pnc', F.gelu(wide), own.second) + own.second_bias
    if log:
        mixed = (answers + weights.log().unsqueeze(2)).logsumexp(1)
    else:
        mixed = (weights.unsqueeze(2) * answers).sum(1)
    return mixed if base is None else base + mixed


def experts_gradient(
    pixels: Tensor, weights: Tensor, own: Perceptrons, adds: bool, grad: Tensor
) -> tuple[Tensor, Tensor, Perceptrons]:
    """See ``expert_operators.experts_gradient``."""
    wide = torch.einsum('pc,nhc->pnh', pixels, own.first) + own.first_bias
    opened, asked = F.gelu(wide), (weights != 0).unsqueeze(2)
    of_opened = torch.einsum('pc,nch->pnh', grad, own.second) * asked
    of_weights = (of_opened * opened).sum(2) + grad @ own.second_bias.t() * asked.squeeze(2)
    of_wide = torch.ops.aten.gelu_backward(weights.unsqueeze(2) * of_opened, wide)
    of_pixels = torch.einsum('pnh,nhc->pc', of_wide, own.first)
    of_own = Perceptrons(
        torch.einsum('pnh,pc->nhc', of_wide, pixels),
        of_wide.sum(0),
        torch.einsum('pn,pc,pnh->nch', weights, grad, opened),
        weights.t() @ grad,
    )
    return grad + of_pixels if adds else of_pixels, of_weights, of_own


def convolve(pixels: Tensor, weight: Tensor, arrangement: str) -> Tensor:
    """See ``convolutions.convolve``."""
    answer = F.conv2d(pixels.permute(0, 3, 1, 2), weight, padding=1)
    if arrangement != 'as it is':
        shuffle = F.pixel_shuffle if arrangement == 'shuffled' else F.pixel_unshuffle
        answer = shuffle(answer, 2)
    return answer.permute(0, 2, 3, 1)


def grouped(pixels: Tensor, matrices: Tensor) -> Tensor:
    """See ``grouped.grouped``; what it adds to what is there."""
    apart = pixels.view(*pixels.shape[:2], *matrices.shape[1:3])
    return torch.einsum('bpgk,bgkn->bpgn', apart, matrices).flatten(2)


def attention_matrix(
    product: Tensor, squares: Tensor, temperature: Tensor, kernel: Tensor | None
) -> Tensor:
    """See ``matrices.attention_matrix``; it can be differentiated."""
    weights = (_cosines(product, squares) * temperature).softmax(-1)
    folded = torch.einsum('ohc,bhcd->bhdo', _by_head(product, kernel), weights)
    return folded.flatten(1, 2)


def attention_matrix_gradient(
    product: Tensor,
    squares: Tensor,
    temperature: Tensor,
    kernel: Tensor | None,
    of_matrix: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See ``matrices.attention_matrix_gradient``; without the answer."""
    batch, heads, size, _ = product.shape
    cosines, projection = _cosines(product, squares), _by_head(product, kernel)
    weights = (cosines * temperature).softmax(-1)
    parts = of_matrix.view(batch, heads, size, -1)
    of_weights = torch.einsum('bhdo,ohc->bhcd', parts, projection)
    of_kernel = torch.einsum('bhdo,bhcd->ohc', parts, weights).flatten(1)
    of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
    both = of_scores * cosines
    along = torch.stack([both.sum(-1), both.sum(-2)], 1) * temperature.view(heads, 1)
    norms = _norms(product, squares)
    of_query, of_key = norms.unbind(1)
    of_product = of_scores * temperature * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)
    of_squares = (-0.5 * along * norms.square()).view_as(squares)
    return of_product, of_squares, both.sum((0, 2, 3)).view_as(temperature), of_kernel


def _norms(product: Tensor, squares: Tensor) -> Tensor:
    batch, heads, size, _ = product.shape
    return squares.masked_fill(squares <= 1e-24, torch.inf).rsqrt().view(batch, 2, heads, size)


def _cosines(product: Tensor, squares: Tensor) -> Tensor:
    of_query, of_key = _norms(product, squares).unbind(1)
    return product * of_query.unsqueeze(-1) * of_key.unsqueeze(-2)


def _by_head(product: Tensor, kernel: Tensor | None) -> Tensor:
    heads, size = product.shape[1:3]
    whole = torch.eye(heads * size, dtype=product.dtype) if kernel is None else kernel
    return whole.view(len(whole), heads, size)


def route(scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """See ``routes.route``."""
    kept, index = scores.topk(top_k, dim=-1)
    weights = torch.zeros_like(scores).scatter(-1, index, kept.softmax(-1))
    return weights, (weights != 0).flatten(0, -2).sum(0).float()
