"""Mamba, and the two branches around it, as calls of a few operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from irbox.layers.fused import mamba_operators as operators
from irbox.layers.fused.layers import depthwise, map_of, multiply, project, rows_of
from irbox.layers.norm import LayerNorm2d
from irbox.layers.selective_scan import mamba_ssm_scan
from irbox.layers.strips import computing_dtype
from irbox.utils.precision import full_precision

if TYPE_CHECKING:
    from irbox.layers.mamba import Mamba


def can_scan(layer: Mamba, x: Tensor) -> bool:
    """Tell whether ``mamba`` may be called: not where somebody wants another scan or has it."""
    wanted = layer.backend == 'auto' and layer.in_proj.weight.dtype in (torch.float32, x.dtype)
    return wanted and (x.device.type != 'cuda' or mamba_ssm_scan.problem() is not None)


def mamba(
    layer: Mamba,
    rows: Tensor,
    length: int,
    norm: LayerNorm2d | None = None,
    allow_tf32: bool = False,
) -> Tensor:
    """Compute ``layer(norm(x))`` of rows (B L, C): six launches.

    With ``allow_tf32`` a device multiplies float32 in TF32, where all around is bfloat16.
    """
    halves = layer.in_proj.weight.dtype == torch.bfloat16
    sizes = [layer.dt_rank, layer.d_state, layer.d_state]
    both = project(rows, layer.in_proj, halves, norm, allow_tf32=allow_tf32)
    u, gate = both.chunk(2, dim=1)
    u = operators.causal(u, layer.conv1d.weight.flatten(1), layer.conv1d.bias, length)
    step, write, read = torch.split(
        project(u, layer.x_proj, halves, allow_tf32=allow_tf32), sizes, dim=1
    )
    delta = project(step, layer.dt_proj, halves, allow_tf32=allow_tf32)
    y = operators.scan_rows(u, delta, layer.A_log, write, read, layer.D, gate, length)
    return project(y, layer.out_proj, halves, allow_tf32=allow_tf32)


def dual_branch(branches: Any, x: Tensor, norm: LayerNorm2d, belief: Tensor | None) -> Any:
    """Compute ``x + branches(norm(x))`` of `blocks.mamba_cnn_block.DualBranch`.

    Args:
        branches: The branches.
        x: (B, C, H, W).
        norm: Before both branches.
        belief: (B, F), what the prior says, where they have a gate that it speaks to.

    Returns:
        (B, C, H, W), and the gate, (B, C or 1, H, W), or None.
    """
    base, halves = rows_of(x), computing_dtype(x) == torch.bfloat16
    seen = rows_of(norm(x))
    calm = seen if branches.conv_norm is None else rows_of(branches.conv_norm(map_of(seen, x)))
    local = depthwise(calm, branches.conv, x, 'gelu')
    with full_precision(x):
        length = x.shape[2] * x.shape[3]
        distant = mamba(branches.mamba, seen, length, branches.mamba_norm_in, allow_tf32=halves)
    gate = None
    if branches.gate is not None:
        gate = _gate(branches.gate, branches.project, seen, belief, halves)
    weighs_local = gate is None or branches.gate_on == 'cnn'
    after = branches.mamba_norm_out
    mixed = operators.blend(
        local, distant, after.weight, after.bias, gate, base, weighs_local, after.eps
    )
    return map_of(mixed, x), None if gate is None else map_of(gate, x)


def _gate(
    gate: nn.Sequential,
    believe: nn.Sequential | None,
    seen: Tensor,
    belief: Tensor | None,
    halves: bool,
) -> Tensor:
    """The gate at each pixel: what the prior says is a bias of the image's, not laid beside it."""
    first: Any = gate[0]
    weight, bias = first.weight, first.bias
    if believe is not None:
        assert belief is not None
        joint = _perceive(believe, belief, halves)
        weight, of_belief = weight.split([seen.shape[1], joint.shape[1]], dim=1)
        bias = multiply(joint, of_belief, bias, halves)
    last = 'gelu' if len(gate) > 1 else 'sigmoid'
    answer = multiply(seen, weight, bias, halves, activation=last)
    return (
        answer
        if len(gate) == 1
        else project(answer, _linear(gate, 2), halves, activation='sigmoid')
    )


def _perceive(layers: nn.Sequential, rows: Tensor, halves: bool) -> Tensor:
    """One linear layer, or two with GELU between."""
    if len(layers) == 1:
        return project(rows, _linear(layers, 0), halves)
    hidden = project(rows, _linear(layers, 0), halves, activation='gelu')
    return project(hidden, _linear(layers, 2), halves)


def _linear(layers: nn.Sequential, index: int) -> nn.Linear:
    found: Any = layers[index]
    return found  # type: ignore[no-any-return]
