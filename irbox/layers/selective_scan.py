"""The selective scan of Mamba (Gu and Dao, 2023, Algorithm 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def selective_scan(  # noqa: N803
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    backend: str = 'auto',
) -> Tensor:
    """Scan a sequence with input-dependent coefficients, in float32."""
    dtype = u.dtype
    with torch.autocast(u.device.type, enabled=False):
        u, delta, A, B, C = (t.float() for t in (u, delta, A, B, C))
        dt = delta if delta_bias is None else delta + delta_bias.float()[:, None]
        dt = F.softplus(dt) if delta_softplus else dt
        state = u.new_zeros(u.shape[0], u.shape[1], A.shape[1])
        outputs = []
        for dt_t, u_t, b_t, c_t in zip(
            dt.unbind(-1), u.unbind(-1), B.unbind(-1), C.unbind(-1), strict=True
        ):
            state = torch.exp(dt_t[..., None] * A) * state + (dt_t * u_t)[..., None] * b_t[:, None]
            outputs.append((state * c_t[:, None]).sum(-1))
        y = torch.stack(outputs, -1)
        y = y if D is None else y + D.float()[:, None] * u
        y = y if z is None else y * F.silu(z.float())
    return y.to(dtype)
