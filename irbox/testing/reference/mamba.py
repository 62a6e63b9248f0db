"""The Mamba layer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.layers.mamba import Mamba
from irbox.layers.selective_scan import selective_scan
from irbox.testing.reference.twins import twin_of
from irbox.utils.precision import full_precision


def scan_in_a_loop(
    u: Tensor, delta: Tensor, rates: Tensor, write: Tensor, read: Tensor, skip: Tensor
) -> Tensor:
    """Run ``h = exp(dt A) h + dt B u``, ``y = C h + D u`` step by step (Mamba, Sec. 3.2).

    Args:
        u: (B, L, C), the sequence.
        delta: (B, L, C), time steps.
        rates: (C, N), A.
        write: (B, L, N), B.
        read: (B, L, N), C.
        skip: (C,), D.

    Returns:
        (B, L, C).
    """
    state = u.new_zeros(u.shape[0], u.shape[2], rates.shape[1])
    answers = []
    for t in range(u.shape[1]):
        decay = torch.exp(delta[:, t, :, None] * rates)
        state = decay * state + (delta[:, t] * u[:, t])[..., None] * write[:, t, None]
        answers.append((state * read[:, t, None]).sum(-1))
    return torch.stack(answers, dim=1) + skip * u


@twin_of(Mamba)
class TextbookMamba(Mamba):
    """Project, convolve causally, scan, gate, project (Mamba, Fig. 3)."""

    scan = 'loop'

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> same shape."""
        with full_precision(x):
            u, gate = self.in_proj(x.to(self.in_proj.weight.dtype)).chunk(2, dim=-1)
            u = self.conv1d(u.transpose(1, 2))[..., : x.shape[1]]
            u = F.silu(u.transpose(1, 2))
            sizes = [self.dt_rank, self.d_state, self.d_state]
            delta, write, read = self.x_proj(u).split(sizes, dim=-1)
            delta = F.softplus(self.dt_proj(delta))
            rates = -torch.exp(self.A_log)
            if self.scan == 'loop':
                y = scan_in_a_loop(u, delta, rates, write, read, self.D)
            else:
                u, delta, write, read = (s.transpose(1, 2) for s in (u, delta, write, read))
                y = selective_scan(u, delta, rates, write, read, self.D, backend=self.backend)
                y = y.transpose(1, 2)
            answer: Tensor = self.out_proj(y * F.silu(gate))
        return answer.to(x.dtype)
