"""The selective scan of Mamba, on the fastest path that this machine has."""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from irbox.layers.selective_scan import mamba_ssm_scan as mamba_ssm
from irbox.layers.selective_scan import operator as own
from irbox.layers.standard_operators import wants_standard_operators
from irbox.native.library import LANES, native

# Before torch 2.7, compiling counts as exporting: the portable path is right, if slower.
_is_exporting = getattr(torch.compiler, 'is_exporting', torch.compiler.is_compiling)

Backend = Literal['auto', 'cuda', 'torch']
BACKENDS: tuple[str, ...] = get_args(Backend)

ScanTensors = tuple[
    Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None
]
"""The tensors of `selective_scan`, in its order."""


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,  # noqa: N803 (the letters of the paper and of mamba-ssm)
    B: Tensor,  # noqa: N803
    C: Tensor,  # noqa: N803
    D: Tensor | None = None,  # noqa: N803
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    backend: str = 'auto',
) -> Tensor:
    """Run a sequence through linear states whose coefficients depend on it.

    With ``dt = delta + delta_bias``, after softplus if asked:
    ``h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t`` and ``y_t = C_t . h_t + D u_t``, times
    ``silu(z_t)`` (Mamba, Gu and Dao 2023, Sec. 3.2, discretised as in ``mamba_ssm``'s
    ``selective_scan_fn``, whose shapes these are). Always in float32, also under autocast.

    Args:
        u: (batch, dim, L), the sequence.
        delta: (batch, dim, L), time steps.
        A: (dim, state), negative for states that fade.
        B: (batch, state, L), or (batch, groups, state, L), one for each dim / groups channels.
        C: like ``B``.
        D: (dim,), weight of the direct path.
        z: (batch, dim, L), gate.
        delta_bias: (dim,).
        delta_softplus: Whether softplus makes the time steps positive.
        backend: ``'torch'``; ``'cuda'``, the kernels of mamba-ssm; ``'auto'``, on CUDA tensors
            the first that works of mamba-ssm's kernels, a Triton kernel and torch, on a CPU
            kernels in C++ for whole vectors of channels, and torch elsewhere. The choice is
            logged once.

    Returns:
        (batch, dim, L), in the dtype of ``u``.

    Raises:
        ValueError: A shape does not fit, A is complex, or the backend is unknown or does not fit
            the device.
        ImportError: The backend is ``'cuda'`` and mamba-ssm's kernels are missing.

    Note:
        mamba-ssm's kernels use fast exponentials: they agree with the other paths to about 1e-3.
    """
    check_backend(backend)
    _check_shapes(u, delta, A, B, C, D, z, delta_bias)
    # An export is for other machines too, and tensors without values cannot try a kernel.
    portable = _is_exporting() or isinstance(u, FakeTensor)
    vectors = not u.shape[1] // (B.shape[1] if B.dim() == 4 else 1) % LANES
    path = choose_path(backend, u.device.type, u.device.index, portable, vectors)
    x, step, rates, b, c = (t.float() for t in (u, delta, A, B, C))
    skip, gate, bias = (None if t is None else t.float() for t in (D, z, delta_bias))
    y: Tensor
    if path == 'mamba-ssm':
        b, c = (t if t.dim() == 4 else t[:, None] for t in (b, c))
        tensors = (x, step, rates, b, c, skip, gate, bias)
        y = mamba_ssm.scan(
            *(None if t is None else t.contiguous() for t in tensors), delta_softplus
        )[0]
    else:
        groups = _groups((x, step, rates, b, c, skip, gate, bias))
        parts = [_own_scan(group, delta_softplus, path) for group in groups]
        y = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return y.to(u.dtype)


def check_backend(backend: str) -> None:
    """Refuse an unknown backend."""
    if backend not in BACKENDS:
        raise ValueError(f'No scan backend is called {backend!r}. Known: {", ".join(BACKENDS)}.')


def choose_path(
    backend: str,
    device_type: str,
    device_index: int | None,
    portable: bool,
    vectors: bool = False,
) -> str:
    """Decide where a scan runs, and say so once per process.

    Args:
        backend: See ``selective_scan``.
        device_type: Of the tensors.
        device_index: The same.
        portable: Whether the model is being exported or described.
        vectors: Whether channels are whole vectors of a CPU's.

    Returns:
        ``'mamba-ssm'``, ``'triton'``, ``'native'`` (kernels in C++, on the CPU), or one of torch's:
        ``'steps'`` (one by one, on the CPU) and ``'levels'`` (many at once, elsewhere).

    Raises:
        ImportError, ValueError: ``'cuda'`` was asked for and cannot be had.
    """
    missing = mamba_ssm.problem() if backend == 'cuda' or device_type == 'cuda' else None
    if backend == 'cuda':
        if missing:
            raise ImportError(f"backend='cuda': {missing}. Install them with: {mamba_ssm.RECIPE}")
        if device_type != 'cuda':
            raise ValueError(
                f"backend='cuda' needs CUDA tensors, got tensors on {device_type}. "
                "Move the model and its input, or use backend='auto'."
            )
    plain = 'steps' if device_type in ('cpu', 'meta') else 'levels'
    if backend == 'torch':
        path, reason = plain, "backend='torch' was asked for"
    elif device_type != 'cuda':
        kernels = device_type == 'cpu' and vectors and not portable and native() is not None
        path, reason = 'native' if kernels else plain, f'the tensors are on {device_type}'
    elif portable:
        path, reason = plain, 'the model is being exported or described, not run'
    elif missing is None:
        path, reason = 'mamba-ssm', 'its kernels are installed'
    else:
        trouble = own.triton_problem(device_index)
        path, reason = (plain, f'{missing}, and {trouble}') if trouble else ('triton', missing)
    if device_type != 'meta':
        _say(path, device_type, reason)
    return path


# The compiler takes the result as it is. This is what torch.compiler.assume_constant_result sets;
# calling that would import the compiler, two seconds, for everyone who imports this file.
vars(choose_path)['_dynamo_marked_constant'] = True

_NAMES = {
    'mamba-ssm': 'the CUDA kernels of mamba-ssm',
    'triton': 'the Triton kernels of irbox',
    'native': 'the C++ kernels of irbox',
    'steps': 'torch, step by step',
    'levels': 'torch, many steps at once',
}


@cache
def _say(path: str, device_type: str, reason: str) -> None:
    recipe = (
        '' if path in ('mamba-ssm', 'native') else f' To have the CUDA kernels: {mamba_ssm.RECIPE}.'
    )
    message = f'Selective scan: {_NAMES[path]} on {device_type}, because {reason}.{recipe}'
    print_log(message, logger='current')


def _own_scan(tensors: ScanTensors, softplus: bool, path: str) -> Tensor:
    """The scan of one group on a path of our own, whose tensors are time-major."""
    u, delta, rates, b, c, skip, gate, bias = tensors
    u, delta, b, c = (t.transpose(1, 2) for t in (u, delta, b, c))
    gate = None if gate is None else gate.transpose(1, 2)
    rates = rates.t().contiguous()
    if wants_standard_operators():
        from irbox.layers.selective_scan import loop_scan

        return loop_scan.scan(u, delta, rates, b, c, skip, gate, bias, softplus).transpose(1, 2)
    chunk = own.chunk_length(path, u.shape[0], *rates.shape)
    answer: Tensor = own.scan(u, delta, rates, b, c, skip, gate, bias, softplus, path, chunk)[0]
    return answer.transpose(1, 2)


def _groups(tensors: ScanTensors) -> list[ScanTensors]:
    """The arguments of each group's scan; one group where B and C have no groups."""
    if tensors[3].dim() == 3:
        return [tensors]
    num_groups = tensors[3].shape[1]
    channel_dims = (1, 1, 0, None, None, 0, 1, 0)
    pieces = [
        (None,) * num_groups if t is None else t.unbind(1) if d is None else t.chunk(num_groups, d)
        for t, d in zip(tensors, channel_dims, strict=True)
    ]
    return list(zip(*pieces, strict=True))


def _check_shapes(
    u: Tensor,
    delta: Tensor,
    rates: Tensor,
    b: Tensor,
    c: Tensor,
    skip: Tensor | None,
    gate: Tensor | None,
    bias: Tensor | None,
) -> None:
    """Refuse tensors that do not fit together, by their names in `selective_scan`."""
    if u.dim() != 3:
        raise ValueError(f'u must have the shape (batch, dim, L), got {tuple(u.shape)}.')
    batch, dim, length = u.shape
    if rates.dim() != 2 or rates.is_complex():
        raise ValueError(
            f'A must be real with the shape (dim, state), got {rates.dtype} {tuple(rates.shape)}.'
        )
    num_groups = (b.shape[1],) if b.dim() == 4 else ()
    state = (batch, *num_groups, rates.shape[1], length)
    expected = {
        'delta': (delta, (batch, dim, length)),
        'A': (rates, (dim, rates.shape[1])),
        'B': (b, state),
        'C': (c, state),
        'D': (skip, (dim,)),
        'z': (gate, (batch, dim, length)),
        'delta_bias': (bias, (dim,)),
    }
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(
                f'{name} has the shape {tuple(tensor.shape)}; beside u {tuple(u.shape)} and '
                f'A {tuple(rates.shape)} it must be {shape}.'
            )
    if num_groups and (num_groups[0] < 1 or dim % num_groups[0]):
        raise ValueError(f'dim={dim} does not divide into {num_groups[0]} groups.')
