"""What the operators compute, in torch: slow and plain, for tests and for trials on a device.

Arguments and answers are those of `operators`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.channel_attention import QueryNorm, inverse_norms, weigh


def project(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    kernel: Tensor | None,
    kernel_bias: Tensor | None,
    second: Tensor | None,
    second_bias: Tensor | None,
    factor: Tensor | None,
    base: Tensor | None,
    base_factor: Tensor | None,
    height: int,
    width: int,
    activation: int,
    eps: float,
    halves: bool,
) -> Tensor:
    """See ``operators.project``."""
    dtype = torch.bfloat16 if halves else torch.float32
    x = rows[:, : weight.shape[-1]].float()
    if norm_weight is not None and norm_bias is not None:
        x = F.layer_norm(x, x.shape[1:], norm_weight.float(), norm_bias.float(), eps)
    elif norm_weight is not None:
        x = x * torch.rsqrt(x.var(1, keepdim=True, unbiased=False) + eps) * norm_weight.float()
    if kernel is not None:
        x = _convolve(x, kernel, kernel_bias, height, width)
    images = len(weight) if weight.ndim == 3 else 1
    if bias is not None and bias.ndim == 2:
        bias = bias.repeat_interleave(len(rows) // len(bias), 0)
    x = x.to(dtype).float().view(images, -1, x.shape[1])
    answers = []
    for matrix, shift in ((weight, bias), (second, second_bias)):
        if matrix is not None:
            answer = (x @ matrix.to(dtype).float().transpose(-1, -2)).flatten(0, 1)
            answers.append(answer if shift is None else answer + shift.float())
    answers[-1] = _activate(answers[-1], activation)
    if second is not None:
        answers = [F.pad(answer, (0, -answer.shape[1] % 16)) for answer in answers]
    out = torch.cat(answers, dim=1)
    out = out if factor is None else out * factor.float()
    if base is not None:
        out = out + base.float() * (1 if base_factor is None else base_factor.float())
    return out.to(dtype if base is None else base.dtype)


def depthwise(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    height: int,
    width: int,
    gates: bool,
    activation: int,
) -> Tensor:
    """See ``operators.depthwise``."""
    channels = len(weight) // 2 if gates else len(weight)
    x = rows.float()
    if gates:
        x = torch.cat([half[:, :channels] for half in x.chunk(2, dim=1)], dim=1)
    x = _convolve(x, weight, bias, height, width)
    if not gates:
        return _activate(x, activation).to(rows.dtype)
    x = _activate(x[:, :channels], activation) * x[:, channels:]
    return F.pad(x, (0, -channels % 16)).to(rows.dtype)


def gram(
    query: Tensor,
    key: Tensor,
    query_kernel: Tensor,
    query_bias: Tensor | None,
    key_kernel: Tensor,
    key_bias: Tensor | None,
    height: int,
    width: int,
    heads: int,
) -> tuple[Tensor, Tensor]:
    """See ``operators.gram``; all in the first part."""
    from irbox.layers.fused.operators import parts_of

    convolved = (
        _convolve(query.float(), query_kernel, query_bias, height, width),
        _convolve(key.float(), key_kernel, key_bias, height, width),
    )
    images = len(query) // (height * width)
    q, k = (x.view(images, -1, heads, x.shape[1] // heads) for x in convolved)
    parts = parts_of(q.shape[1])
    sums = q.new_zeros(images, parts, heads, q.shape[3], q.shape[3])
    squares = q.new_zeros(images, parts, heads, 2, q.shape[3])
    squares[:, 0] = torch.stack([x.square().sum(1) for x in (q, k)], 2)
    q, k = (x.to(query.dtype).float() for x in (q, k))
    sums[:, 0] = torch.einsum('bphc,bphd->bhcd', q, k)
    return sums, squares


def attention_matrix(
    sums: Tensor,
    squares: Tensor,
    temperature: Tensor,
    projection: Tensor | None,
    query_by_head: bool,
    halves: bool,
) -> Tensor:
    """See ``operators.attention_matrix``."""
    images, _, heads, width, _ = sums.shape
    query_norm: QueryNorm = 'head' if query_by_head else 'channel'
    norms = inverse_norms(squares.sum(1).transpose(1, 2), query_norm)
    weights = weigh(sums.sum(1), norms, temperature.float().view(-1, 1, 1))
    if projection is None:
        projection = torch.eye(heads * width)
    lines = projection.float().view(-1, heads, width)
    matrix = torch.einsum('ohc,bhcd->bohd', lines, weights).flatten(2)
    return matrix.to(torch.bfloat16 if halves else torch.float32)


def _convolve(rows: Tensor, weight: Tensor, bias: Tensor | None, height: int, width: int) -> Tensor:
    x = rows.view(-1, height, width, len(weight)).permute(0, 3, 1, 2)
    kernel, shift = weight.float().view(-1, 1, 3, 3), None if bias is None else bias.float()
    x = F.conv2d(x, kernel, shift, padding=1, groups=len(weight))
    return x.permute(0, 2, 3, 1).reshape(-1, len(weight))


def _activate(x: Tensor, activation: int) -> Tensor:
    if activation == 1:
        return x.sigmoid()
    return F.gelu(x) if activation == 2 else x
