"""The Mamba layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from irbox.layers.causal_convolution import convolved
from irbox.layers.selective_scan import check_backend, selective_scan
from irbox.utils.precision import full_precision

KERNEL_WIDTHS = (2, 3, 4)


def causal_convolution_kernel(device_type: str, backend: str) -> Callable[..., Tensor] | None:
    """Find ``causal_conv1d_fn`` of the package causal-conv1d; None where torch convolves."""
    if device_type != 'cuda' or backend == 'torch' or torch.compiler.is_compiling():
        return None
    return _causal_conv1d_fn()


@cache
def _causal_conv1d_fn() -> Callable[..., Tensor] | None:
    try:
        kernel: Callable[..., Tensor] = import_module('causal_conv1d').causal_conv1d_fn
    except (ImportError, OSError):  # OSError: built for another torch or CUDA
        return None
    return kernel


@torch.no_grad()
def init_time_step(weight: Tensor, bias: Tensor) -> None:
    """Draw the layer that gives a scan its time steps, as ``mamba_ssm`` does.

    Args:
        weight: (..., inner channels, rank), drawn evenly within one over the root of the rank.
        bias: (..., inner channels), drawn so that the first time steps lie between 0.001 and 0.1.
    """
    bound = weight.shape[-1] ** -0.5
    weight.uniform_(-bound, bound)
    low, high = math.log(1e-3), math.log(0.1)
    dt = torch.exp(torch.rand(bias.shape) * (high - low) + low).clamp(min=1e-4)
    # The inverse of softplus, so that the first time step is dt.
    bias.copy_(dt + torch.log(-torch.expm1(-dt)))


class Mamba(nn.Module):
    """Selective state space layer over a sequence (Gu and Dao, 2023, Sec. 3.4).

    Parameters are named, shaped and initialised as in ``mamba_ssm.Mamba``: its weights load.
    The layer computes in the dtype of its weights, float32, also under autocast and for half inputs
    (as M2Restore does); the scan is float32 whatever the weights are.

    ``A_log`` and ``D`` carry ``_no_weight_decay``, and the bias of ``dt_proj`` ``_no_reinit``.

    Args:
        d_model: Channels of the sequence.
        d_state: States per channel.
        d_conv: Width of the causal depthwise convolution.
        expand: Inner channels per channel.
        backend: Which scan runs, see `selective_scan`.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        backend: str = 'auto',
    ) -> None:
        super().__init__()
        check_backend(backend)
        self.d_model = d_model
        self.d_inner = expand * d_model
        self.d_state = d_state
        self.dt_rank = math.ceil(d_model / 16)
        self.backend = backend
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(
            self.d_inner, self.d_inner, d_conv, groups=self.d_inner, padding=d_conv - 1
        )
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        states = torch.arange(1, d_state + 1, dtype=torch.float32)
        self.A_log = nn.Parameter(states.log().repeat(self.d_inner, 1))
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)
        init_time_step(self.dt_proj.weight, self.dt_proj.bias)
        self._flag_parameters()

    def _flag_parameters(self) -> None:
        vars(self.A_log)['_no_weight_decay'] = True
        vars(self.D)['_no_weight_decay'] = True
        vars(self.dt_proj.bias)['_no_reinit'] = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch does not annotate it
        self._flag_parameters()  # copy.deepcopy makes new parameters, without flags

    def forward(self, x: Tensor) -> Tensor:
        """Mix along the sequence.

        Args:
            x: (B, L, d_model).

        Returns:
            (B, L, d_model), in the dtype of ``x``.
        """
        if x.dim() != 3 or x.shape[-1] != self.d_model:
            raise ValueError(f'Mamba expects (B, L, {self.d_model}), got {tuple(x.shape)}.')
        with full_precision(x):
            return self._mix(x.to(self.in_proj.weight.dtype)).to(x.dtype)

    def _convolve(self, u: Tensor) -> Tensor:
        """Causal depthwise convolution and SiLU of (B, L, d_inner)."""
        kernel = causal_convolution_kernel(u.device.type, self.backend)
        if kernel is None and self.backend == 'auto':
            answer = convolved(u, self.conv1d)
            if answer is not None:
                return answer
        u = u.transpose(1, 2)
        if kernel is None or self.conv1d.kernel_size[0] not in KERNEL_WIDTHS:
            return F.silu(self.conv1d(u)[..., : u.shape[-1]]).transpose(1, 2)
        taps, bias = self.conv1d.weight[:, 0], self.conv1d.bias
        return kernel(u.contiguous(), taps, bias, activation='silu').transpose(1, 2)

    def _mix(self, x: Tensor) -> Tensor:
        u, gate = self.in_proj(x).chunk(2, dim=-1)
        u = self._convolve(u)
        widths = [self.dt_rank, self.d_state, self.d_state]
        step, write, read = self.x_proj(u).split(widths, dim=-1)
        y = selective_scan(
            u.transpose(1, 2),
            self.dt_proj(step).transpose(1, 2),
            -torch.exp(self.A_log.float()),
            write.transpose(1, 2),
            read.transpose(1, 2),
            self.D,
            gate.transpose(1, 2),
            delta_softplus=True,
            backend=self.backend,
        )
        answer: Tensor = self.out_proj(y.transpose(1, 2))
        return answer
