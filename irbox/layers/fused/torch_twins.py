"""What the operators compute, in torch: slow and plain, for tests and for trials on a device.

Arguments and answers are those of the operators.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.channel_attention import QueryNorm, inverse_norms, weigh
from irbox.triton_kernels.sizes import EXPERT_BLOCK, EXPERT_TILE, LANES, ROUTED_PIXELS, parts_of


def project(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    second: Tensor | None,
    second_bias: Tensor | None,
    factor: Tensor | None,
    base: Tensor | None,
    base_factor: Tensor | None,
    activation: int,
    eps: float,
    halves: bool,
    allow_tf32: bool,
) -> Tensor:
    """See ``operators.project``."""
    dtype = torch.bfloat16 if halves else torch.float32
    x = rows[:, : weight.shape[-1]].float()
    if norm_weight is not None and norm_bias is not None:
        x = F.layer_norm(x, x.shape[1:], norm_weight.float(), norm_bias.float(), eps)
    elif norm_weight is not None:
        x = x * torch.rsqrt(x.var(1, keepdim=True, unbiased=False) + eps) * norm_weight.float()
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
        answers = [F.pad(answer, (0, -answer.shape[1] % LANES)) for answer in answers]
    out = torch.cat(answers, dim=1)
    out = out if factor is None else out * factor.float()
    if base is not None:
        out = out + base.float() * (1 if base_factor is None else base_factor.float())
    return out.to(dtype if base is None else base.dtype)


def gated_product(
    values: Tensor,
    matrix: Tensor,
    bias: Tensor | None,
    gate: Tensor,
    weight: Tensor,
    weight_bias: Tensor | None,
    base: Tensor,
) -> Tensor:
    """See ``operators.gated_product``."""
    half = torch.bfloat16
    x, m, w = (one.to(half).float() for one in (values, matrix, weight))
    total = (x.view(len(m), -1, x.shape[1]) @ m.transpose(1, 2)).flatten(0, 1)
    total = total if bias is None else total + bias.float()
    answer = (total * gate.float()).to(half).float() @ w.t()
    answer = answer if weight_bias is None else answer + weight_bias.float()
    return (answer + base.float()).to(base.dtype)


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
    x = convolve(x, weight, bias, height, width)
    if not gates:
        return _activate(x, activation).to(rows.dtype)
    x = _activate(x[:, :channels], activation) * x[:, channels:]
    return F.pad(x, (0, -channels % LANES)).to(rows.dtype)


def halve(weight: Tensor) -> Tensor:
    """See ``operators.halve``."""
    return F.pad(weight, (0, -weight.shape[1] % LANES)).to(torch.bfloat16)


def gram(query: Tensor, key: Tensor, images: int, heads: int) -> tuple[Tensor, Tensor]:
    """See ``operators.gram``; all in the first part."""
    q, k = (x.float().view(images, -1, heads, x.shape[1] // heads) for x in (query, key))
    parts = parts_of(q.shape[1], heads, q.shape[3], images)
    sums = q.new_zeros(images, parts, heads, q.shape[3], q.shape[3])
    squares = q.new_zeros(images, parts, heads, 2, q.shape[3])
    squares[:, 0] = torch.stack([x.square().sum(1) for x in (q, k)], 2)
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


def route(
    logits: Tensor, image_bias: Tensor | None, images: int, top_k: int, mode: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See ``routing_operators.route``; all are counted in the first part."""
    score = logits.float()
    if image_bias is not None:
        score = score + image_bias.float().repeat_interleave(len(score) // images, 0)
    chosen = torch.zeros_like(score).scatter(1, score.topk(top_k, dim=1).indices, 1)
    counts = score.new_zeros(-(-len(score) // ROUTED_PIXELS), score.shape[1])
    counts[0] = chosen.sum(0)
    nothing = score.new_zeros(0, 1)
    if mode == 0:
        weights = score.masked_fill(chosen == 0, -torch.inf).softmax(1)
        return weights, nothing, score[:0].clone(), counts
    scores = score.softmax(1)
    if mode == 1:
        kept = scores * chosen
        return kept / kept.sum(1, keepdim=True), nothing, scores, counts
    if mode == 3:
        return scores.softmax(1) * chosen, nothing, scores, counts
    again = torch.cat([scores, torch.ones_like(scores[:, :1])], dim=1).softmax(1)
    return again[:, :-1] * chosen, again[:, -1:].contiguous(), scores, counts


def expert_order(weights: Tensor, top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """See ``routing_operators.expert_order``."""
    used = weights.permute(0, 2, 3, 1).flatten(0, 2) != 0
    tiles = -(-EXPERT_BLOCK * top_k // EXPERT_TILE) + used.shape[1]
    blocks = -(-len(used) // EXPERT_BLOCK)
    order = torch.full((blocks, tiles * EXPERT_TILE), -1, dtype=torch.int32)
    experts = torch.full((blocks, tiles), -1, dtype=torch.int32)
    places = torch.full((len(used), top_k), -1, dtype=torch.int32)
    slots = [0] * len(used)
    for block in range(blocks):
        tile, first = 0, block * EXPERT_BLOCK
        for expert, column in enumerate(used[first : first + EXPERT_BLOCK].t()):
            for rank, pixel in enumerate((first + column.nonzero().flatten()).tolist()):
                row = tile * EXPERT_TILE + rank
                order[block, row] = pixel
                places[pixel, slots[pixel]] = block * order.shape[1] + row
                slots[pixel] += 1
            count = -(-int(column.sum()) // EXPERT_TILE)
            experts[block, tile : tile + count] = expert
            tile += count
    return order, places, experts


def ask_experts(
    rows: Tensor,
    order: Tensor,
    experts: Tensor,
    weight: Tensor,
    bias: Tensor,
    first: bool,
    halves: bool,
) -> Tensor:
    """See ``routing_operators.ask_experts``; zero where there is no pixel."""
    dtype = torch.bfloat16 if halves else torch.float32
    pixel = order.flatten().long()
    expert = experts.flatten().long().repeat_interleave(pixel.numel() // experts.numel())
    given = rows[pixel.clamp(0)] if first else rows
    given = given[:, : weight.shape[2]].to(dtype).float()
    out = given.new_zeros(len(pixel), weight.shape[1])
    for n, (matrix, shift) in enumerate(zip(weight, bias, strict=True)):
        mine = (expert == n) & (pixel >= 0)
        out[mine] = given[mine] @ matrix.to(dtype).float().t() + shift.float()
    if first:
        out = F.pad(F.gelu(out), (0, -out.shape[1] % LANES))
    return out.to(dtype)


def mix_experts(
    answers: Tensor,
    places: Tensor,
    experts: Tensor,
    weights: Tensor,
    added: Tensor | None,
    added_weights: Tensor | None,
    base: Tensor | None,
    adds: bool,
) -> Tensor:
    """See ``routing_operators.mix_experts``."""
    tile = len(answers) // experts.numel()
    at, is_asked = places.long().clamp(0), (places >= 0).unsqueeze(2)
    chosen = experts.flatten().long()[at // tile].clamp(0)
    share = weights.permute(0, 2, 3, 1).flatten(0, 2).gather(1, chosen).unsqueeze(2)
    answer = answers.float()[at]
    if adds:
        out = (share * answer).masked_fill(~is_asked, 0).sum(1)
    else:
        out = (answer + share.log()).masked_fill(~is_asked, -torch.inf).logsumexp(1)
    if added is not None:
        out = out + added.float() * (1 if added_weights is None else added_weights)
    out = out if base is None else out + base.float()
    return out.to(answers.dtype if base is None else base.dtype)


def causal(rows: Tensor, weight: Tensor, bias: Tensor | None, length: int) -> Tensor:
    """See ``mamba_operators.causal``."""
    x = rows.float().view(-1, length, len(weight)).transpose(1, 2)
    x = F.pad(x, (weight.shape[1] - 1, 0))
    shift = None if bias is None else bias.float()
    x = F.silu(F.conv1d(x, weight.float().unsqueeze(1), shift, groups=len(weight)))
    return x.transpose(1, 2).reshape(-1, len(weight)).to(rows.dtype)


def scan_rows(
    u: Tensor,
    delta: Tensor,
    log_rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor,
    gate: Tensor,
    length: int,
) -> Tensor:
    """See ``mamba_operators.scan_rows``; step by step."""
    x, dt, write, read = (one.float().view(-1, length, one.shape[1]) for one in (u, delta, b, c))
    dt, rates = F.softplus(dt), -log_rates.float().exp()
    state = x.new_zeros(len(x), *rates.shape)
    answers = []
    for t in range(length):
        entered = (dt[:, t] * x[:, t]).unsqueeze(2) * write[:, t].unsqueeze(1)
        state = (dt[:, t].unsqueeze(2) * rates).exp() * state + entered
        answers.append((state * read[:, t].unsqueeze(1)).sum(2))
    y = (torch.stack(answers, 1) + skip.float() * x).flatten(0, 1)
    return (y * F.silu(gate.float())).to(u.dtype)


def blend(
    local: Tensor,
    distant: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    gate: Tensor | None,
    base: Tensor,
    weighs_local: bool,
    eps: float,
) -> Tensor:
    """See ``mamba_operators.blend``."""
    near, far = local.float(), distant.float()
    far = F.layer_norm(far, far.shape[1:], norm_weight.float(), norm_bias.float(), eps)
    share = torch.tensor(0.5) if gate is None else gate.float()
    share = share if weighs_local else 1 - share
    return (base.float() + share * near + (1 - share) * far).to(base.dtype)


def convolve(rows: Tensor, weight: Tensor, bias: Tensor | None, height: int, width: int) -> Tensor:
    """Convolve rows, 3x3 and channel by channel, without padding between them."""
    x = rows.view(-1, height, width, len(weight)).permute(0, 3, 1, 2)
    kernel, shift = weight.float().view(-1, 1, 3, 3), None if bias is None else bias.float()
    x = F.conv2d(x, kernel, shift, padding=1, groups=len(weight))
    return x.permute(0, 2, 3, 1).reshape(-1, len(weight))


def _activate(x: Tensor, activation: int) -> Tensor:
    if activation == 1:
        return x.sigmoid()
    return F.gelu(x) if activation == 2 else x
