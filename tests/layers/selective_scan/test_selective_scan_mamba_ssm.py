"""The glue to the compiled kernels, on stand-ins with the kernels' calling convention.

Against the kernels themselves: test_selective_scan_gpu.py.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from test_selective_scan import gradients, make, reference

from irbox.layers.selective_scan import dispatch as module
from irbox.layers.selective_scan import mamba_ssm_scan, selective_scan


def _ungated(u, delta, rates, b, c, skip, bias, softplus):
    b, c = b[:, 0], c[:, 0]
    return reference(u, delta, rates, b, c, skip, None, bias, softplus).float().contiguous()


def forward(u, delta, rates, b, c, skip, gate, bias, softplus):
    """Returns [answer without gate, kept states] and, with a gate, the gated answer."""
    assert all(t is None or t.is_contiguous() for t in (u, delta, rates, b, c, skip, gate, bias))
    assert b.dim() == c.dim() == 4
    answer = _ungated(u, delta, rates, b, c, skip, bias, softplus)
    kept = torch.full((*u.shape[:2], -(-u.shape[2] // 2048), 2 * rates.shape[1]), 7.0)
    return [answer, kept] + ([] if gate is None else [answer * torch.nn.functional.silu(gate)])


def backward(u, delta, rates, b, c, skip, gate, bias, dout, kept, out, dz, softplus, again):
    """Returns du, ddelta, dA, dB, dC, dD, ddelta_bias and, with a gate, dz."""
    assert dout.is_contiguous() and bool((kept == 7).all()) and dz is None and again is False
    tensors = [
        None if t is None else t.detach().clone().requires_grad_()
        for t in (u, delta, rates, b, c, skip, gate, bias)
    ]

    def differentiate():
        answer = _ungated(*tensors[:6], tensors[7], softplus)
        if gate is not None:
            torch.testing.assert_close(out, answer)
            answer = answer * torch.nn.functional.silu(tensors[6])
        return torch.autograd.grad(answer, [t for t in tensors if t is not None], dout)

    # An operator runs below autograd; a thread of its own has autograd again.
    with ThreadPoolExecutor(1) as pool:
        found = iter(pool.submit(differentiate).result())
    *most, dskip, dgate, dbias = (None if t is None else next(found) for t in tensors)
    return [*most, dskip, dbias] + ([] if gate is None else [dgate])


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setitem(
        sys.modules, 'selective_scan_cuda', SimpleNamespace(fwd=forward, bwd=backward)
    )
    monkeypatch.setattr(module, 'choose_path', lambda *_: 'mamba-ssm')


@pytest.mark.parametrize('missing', [(), ('D',), ('z',), ('delta_bias',), ('D', 'z', 'delta_bias')])
def test_every_argument_and_gradient_finds_its_place(kernels, missing):
    names = ('u', 'delta', 'A', 'B', 'C', 'D', 'z', 'delta_bias')
    tensors = [None if n in missing else t for n, t in zip(names, make(2, 20), strict=True)]
    expected = reference(*tensors, delta_softplus=True)
    y = selective_scan(*tensors, delta_softplus=True)
    torch.testing.assert_close(y, expected.float())
    for got, wanted in zip(gradients(y, tensors), gradients(expected, tensors), strict=True):
        torch.testing.assert_close(got, wanted)


def test_the_operator_keeps_the_rules_of_torch(kernels):
    u, delta, rates, b, c, skip, gate, bias = make(2, 20)
    b, c = (t.detach()[:, None].requires_grad_() for t in (b, c))
    for rest in ((skip, gate, bias, True), (None, None, None, True)):
        torch.library.opcheck(mamba_ssm_scan.scan, (u, delta, rates, b, c, *rest))


def test_half_precision_is_cast_up_and_back(kernels):
    tensors = [t.detach().half() for t in make(1, 20)]
    y = selective_scan(*tensors, delta_softplus=True)
    assert y.dtype == torch.float16
    exact = reference(*tensors, delta_softplus=True)
    torch.testing.assert_close(y, exact.half())
