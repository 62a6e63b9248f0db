"""The gate gives the product's values and gradients, and keeps nothing but its input."""

import pytest
import torch
from torch.nn import functional as F

from irbox.layers.gate import StripGate, gelu_gate


def product(x, dim):
    gate, value = x.chunk(2, dim=dim)
    return F.gelu(gate) * value


@pytest.mark.parametrize('dim', [1, -1])
def test_values_and_gradients(dim):
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64, requires_grad=True)
    out, plain = gelu_gate(x, dim), product(x, dim)
    torch.testing.assert_close(out, plain, rtol=0, atol=0)
    weight = torch.randn_like(out)
    ours, theirs = (torch.autograd.grad((y * weight).sum(), x)[0] for y in (out, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_twice_differentiable():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gelu_gate, x)
    assert torch.autograd.gradgradcheck(gelu_gate, x)


def test_what_is_kept():
    kept = []
    x = torch.randn(2, 8, 4, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()), id):
        gelu_gate(x, 1)
    assert kept == [x.data_ptr()]


def test_without_gradients():
    x = torch.randn(2, 8)
    torch.testing.assert_close(gelu_gate(x), product(x, -1), rtol=0, atol=0)


def test_half_precision():
    x = torch.randn(2, 8).bfloat16().requires_grad_()
    gelu_gate(x).sum().backward()
    assert gelu_gate(x).dtype == x.grad.dtype == torch.bfloat16


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_strips_are_gated_in_memory_that_is_used_again(dtype):
    gate, kept = StripGate(), set()
    for rows in (5, 3, 6, 6):  # the last strip of a map is shorter; the next map's may be longer
        x = torch.randn(2, rows, 7, 16, dtype=dtype)
        found = gate(x)
        torch.testing.assert_close(found, gelu_gate(x))
        kept.add(found.untyped_storage().data_ptr())
    assert len(kept) == 2
