"""What the operators of backward passes compute, in torch, as `torch_twins` does for the others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.channel_attention import inverse_norms
from irbox.layers.fused.torch_twins import convolve
from irbox.triton_kernels.sizes import LANES


def gate_gradient(
    wide: Tensor, weight: Tensor, bias: Tensor | None, of_gated: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """See ``gradient_operators.gate_gradient``."""
    channels = len(weight) // 2
    halves = torch.cat([half[:, :channels] for half in wide.float().chunk(2, dim=1)], dim=1)
    gate, value = convolve(halves, weight, bias, height, width).chunk(2, dim=1)
    given, opened = of_gated[:, :channels].float(), F.gelu(gate)
    of_gate = torch.ops.aten.gelu_backward(given * value, gate)
    answers = opened * value, of_gate, given * opened
    gated, *of_both = (F.pad(one, (0, -channels % LANES)).to(wide.dtype) for one in answers)
    return gated, torch.cat(of_both, dim=1)


def depthwise_gradient(
    wide: Tensor,
    of_convolved: Tensor,
    weight: Tensor,
    has_bias: bool,
    branches: int,
    height: int,
    width: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """See ``gradient_operators.depthwise_gradient``; all is summed in the first part."""
    channels, columns = len(weight) // branches, wide.shape[1] // branches

    def maps(rows: Tensor) -> Tensor:
        rows = rows.float().view(-1, branches, columns)[:, :, :channels].flatten(1)
        return rows.view(-1, height, width, len(weight)).permute(0, 3, 1, 2)

    of_map, of_weight, of_bias = torch.ops.aten.convolution_backward(
        maps(of_convolved),
        maps(wide),
        weight.float().view(-1, 1, 3, 3),
        [len(weight)],
        [1, 1],
        [1, 1],
        [1, 1],
        False,
        [0, 0],
        len(weight),
        [True, True, True],
    )
    of_map = of_map.permute(0, 2, 3, 1).reshape(-1, branches, channels)
    of_map = F.pad(of_map, (0, columns - channels)).flatten(1).to(wide.dtype)
    return of_map, of_weight.view(1, -1, 9), of_bias[None, : len(weight) if has_bias else 0]


def column_sums(rows: Tensor) -> Tensor:
    """See ``gradient_operators.column_sums``; all in the first part."""
    return rows.sum(0, keepdim=True, dtype=torch.float32)


def norm_gradient(
    rows: Tensor,
    of_normed: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    added: Tensor,
    eps: float,
    halves: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See ``gradient_operators.norm_gradient``; all is summed in the first part."""
    x, given, by_weight = rows.float(), of_normed.float(), weight.float()
    mean, scale = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False).add(eps).rsqrt()
    if bias is not None:
        normed = (x - mean) * scale * by_weight + bias.float()
        of_rows, *sums = torch.ops.aten.native_layer_norm_backward(
            given, x, x.shape[1:], mean, scale, by_weight, bias.float(), [True, True, True]
        )
    else:
        normed = x * scale * by_weight
        of_scale = (given * by_weight * x).sum(1, keepdim=True)
        of_variance = -0.5 * scale.pow(3) * of_scale
        of_rows = given * by_weight * scale + of_variance * 2 * (x - mean) / x.shape[1]
        sums = [(given * x * scale).sum(0)]
    of_rows = (of_rows + added.float()).to(rows.dtype)
    return of_rows, normed.to(torch.bfloat16 if halves else torch.float32), torch.stack(sums)[None]


def attention_matrix_gradient(
    sums: Tensor,
    squares: Tensor,
    temperature: Tensor,
    projection: Tensor | None,
    of_matrix: Tensor,
    halves: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See ``gradient_operators.attention_matrix_gradient``."""
    images, _, heads, width, _ = sums.shape
    by_query, by_key = inverse_norms(squares.sum(1).transpose(1, 2)).unbind(1)
    scores = sums.sum(1) * by_query.unsqueeze(-1) * by_key.unsqueeze(-2)
    by = temperature.float().view(-1, 1, 1)
    weights = (scores * by).softmax(-1)
    lines = torch.eye(heads * width) if projection is None else projection.float()
    apart = of_matrix.float().view(images, -1, heads, width)
    of_weights = torch.einsum('ohc,bohd->bhcd', lines.view(-1, heads, width), apart)
    of_projection = torch.einsum('bohd,bhcd->bohc', apart, weights).flatten(2)
    of_scaled = weights * (of_weights - (weights * of_weights).sum(-1, keepdim=True))
    of_scores = of_scaled * by
    of_product = of_scores * by_query.unsqueeze(-1) * by_key.unsqueeze(-2)
    both = of_scores * scores
    of_query, of_key = -by_query.square() * both.sum(3), -by_key.square() * both.sum(2)
    return (
        of_product.to(torch.bfloat16 if halves else torch.float32),
        torch.stack([of_query, of_key], 2),
        (of_scaled * scores).sum((2, 3)),
        of_projection if projection is not None else of_projection[:, :0],
    )


def query_key_gradient(
    query: Tensor, key: Tensor, of_product: Tensor, twice: Tensor, joint: bool
) -> tuple[Tensor, Tensor]:
    """See ``gradient_operators.query_key_gradient``; zero for the values."""
    images, heads, width, _ = of_product.shape
    q, k = (one.float().reshape(images, -1, heads, width) for one in (query, key))
    by_query, by_key = twice.unsqueeze(1).unbind(3)
    answers = (
        torch.einsum('bphd,bhcd->bphc', k, of_product.float()) + q * by_query,
        torch.einsum('bphc,bhcd->bphd', q, of_product.float()) + k * by_key,
    )
    of_query, of_key = (one.reshape(query.shape).to(query.dtype) for one in answers)
    of_values = torch.zeros_like(of_key)
    if joint:
        return torch.cat([of_query, of_key, of_values], 1), of_query[:0]
    return of_query, torch.cat([of_key, of_values], 1)


def gating_gradient(of_gated: Tensor, gated: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    """See ``gradient_operators.gating_gradient``."""
    given, opened = of_gated.float(), gate.float()
    answers = given * opened, given * gated.float() * (1 - opened)
    of_map, of_logits = (one.to(gated.dtype) for one in answers)
    return of_map, of_logits


def causal_gradient(
    rows: Tensor, weight: Tensor, bias: Tensor | None, given: Tensor, length: int
) -> tuple[Tensor, Tensor]:
    """See ``mamba_operators.causal_gradient``; all is summed in the first part."""
    channels, taps = weight.shape
    x, grad = (one.float().view(-1, length, channels).transpose(1, 2) for one in (rows, given))
    x, factors = F.pad(x, (taps - 1, 0)), weight.float().unsqueeze(1)
    made = F.conv1d(x, factors, None if bias is None else bias.float(), groups=channels)
    share = made.sigmoid()
    grad = grad * share * (1 + made * (1 - share))
    of_x, of_weight, of_bias = torch.ops.aten.convolution_backward(
        grad, x, factors, [channels], [1], [0], [1], False, [0], channels, [True, True, True]
    )
    of_rows = of_x[:, :, taps - 1 :].transpose(1, 2).reshape(-1, channels)
    sums = torch.cat([of_weight.squeeze(1).t(), of_bias[None]])
    return of_rows.to(rows.dtype), sums[None]
