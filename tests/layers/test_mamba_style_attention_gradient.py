"""Gated attention that learns in strips against the same layer as a whole."""

import copy

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from irbox.layers import strip_gradients
from irbox.layers import strips as strips_module
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.norm import LayerNorm2d
from irbox.native import layer_gradients, layers, library, products

NAME = '_GatedBackward'
# Heads of 16 channels, which are whole vectors, and of 8.
SIZES = pytest.mark.parametrize(
    'size', [(2, 32, 17, 9), (2, 16, 17, 9), (3, 16, 2, 3), (1, 16, 1, 1)], ids=str
)
PROJECTION = pytest.mark.parametrize('projection', [True, False])


@pytest.fixture(params=['kept', 'made again'])
def short_strips(request, monkeypatch):
    """Strips of a row or a few, at any size; attention's wide map kept or not."""
    least = 0 if request.param == 'kept' else 2**60
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', least)
    monkeypatch.setattr(strip_gradients, 'LEAST_PIXELS', 0)
    monkeypatch.setattr(strips_module, 'BYTES', 2**13 // torch.get_num_threads())


def case(size, dtype=torch.float32, projection=True, bias=True, **options):
    torch.manual_seed(0)
    layer = MambaStyleAttention(size[1], 2, projection=projection, **options).to(dtype)
    norm = LayerNorm2d(size[1], bias).to(dtype)
    with torch.no_grad():
        for weight in (*layer.parameters(), *norm.parameters()):
            weight.add_(0.3 * torch.randn_like(weight))
    x = torch.randn(size, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return layer, norm, x.requires_grad_()


def gradients(answer, x, layer, norm, grad):
    return torch.autograd.grad(answer, [x, *layer.parameters(), *norm.parameters()], grad)


def as_a_whole(layer, norm, x):
    return x + layer(norm(x))


@SIZES
@PROJECTION
@pytest.mark.parametrize('bias', [True, False])
def test_gradients_are_those_of_the_whole(short_strips, size, projection, bias):
    layer, norm, x = case(size, torch.float64, projection, bias)
    strips, whole = layer.add_to(x, norm), as_a_whole(layer, norm, x)
    assert type(strips.grad_fn).__name__ == NAME
    torch.testing.assert_close(strips, whole)
    grad = torch.randn_like(x)
    for one, other in zip(
        gradients(strips, x, layer, norm, grad),
        gradients(whole, x, layer, norm, grad),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@SIZES
@PROJECTION
def test_gradients_by_kernels(short_strips, size, projection):
    """Beside those of the whole layer in float64, whose rounding is the smaller one."""
    if library.native() is None:
        pytest.skip('no kernels on this machine')
    layer, norm, x = case(size, projection=projection)
    grad = torch.randn_like(x)
    answer = layer.add_to(x, norm)
    assert type(answer.grad_fn).__name__ == NAME
    found = gradients(answer, x, layer, norm, grad)
    exact = [copy.deepcopy(one).double() for one in (layer, norm)]
    right = x.detach().double().requires_grad_()
    wanted = gradients(as_a_whole(*exact, right), right, *exact, grad.double())
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).abs().max() <= 2e-5 * other.abs().max() + 1e-6
    again = gradients(layer.add_to(x, norm), x, layer, norm, grad)
    assert all(torch.equal(*pair) for pair in zip(found, again, strict=True)), 'the same bits'


@pytest.mark.parametrize('layout', [torch.channels_last, torch.contiguous_format], ids=str)
@pytest.mark.parametrize('bias', [True, False])
def test_what_was_kept_is_learned_from_at_once(layout, bias, monkeypatch):
    """One call for each part of the layer and each way, however the map lies in memory."""
    kernels = library.native()
    if kernels is None or not products.taken_at_once(kernels, torch.float32):
        pytest.skip('torch multiplies on this machine')
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 0)
    monkeypatch.setattr(strips_module, 'BYTES', 2**13 // torch.get_num_threads())
    asked = []
    for module, names in (
        (layers, ('mask', 'attention_sums', 'gated_answer')),
        (layer_gradients, ('gated_gradient', 'attention_gradient', 'mask_gradient')),
    ):
        for name in names:
            given = getattr(module, name), name
            monkeypatch.setattr(
                module, name, lambda *a, k=given: asked.append(k[1]) or k[0](*a)
            )  # fmt: skip
    layer, norm, x = case((2, 32, 17, 9), bias=bias)
    x = x.detach().contiguous(memory_format=layout).requires_grad_()
    grad = torch.randn_like(x)
    found = gradients(layer.add_to(x, norm), x, layer, norm, grad)
    assert asked == [
        'mask', 'attention_sums', 'gated_answer', 'gated_gradient', 'attention_gradient',
        'mask_gradient',
    ]  # fmt: skip
    wanted = gradients(as_a_whole(layer, norm, x), x, layer, norm, grad)
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).abs().max() <= 5e-5 * other.abs().max() + 1e-6


def test_they_can_be_differentiated_again(short_strips):
    layer, norm, x = case((1, 16, 5, 4), torch.float64)
    found = []
    for answer in (layer.add_to(x, norm), as_a_whole(layer, norm, x)):
        (first,) = torch.autograd.grad(answer.square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [x, *layer.parameters()]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_in_bfloat16_they_are_as_near_as_the_whole(short_strips):
    layer, norm, x = case((2, 16, 17, 9))
    grad = torch.randn_like(x)
    exact = gradients(as_a_whole(layer, norm, x), x, layer, norm, grad)
    with torch.autocast('cpu', torch.bfloat16):
        strips, whole = layer.add_to(x, norm), as_a_whole(layer, norm, x)
    assert strips.dtype == whole.dtype and type(strips.grad_fn).__name__ == NAME
    ours, theirs = (gradients(one, x, layer, norm, grad) for one in (strips, whole))
    for one, other, right in zip(ours, theirs, exact, strict=True):
        assert one.dtype == right.dtype
        size = right.abs().max()
        assert (one - right).abs().max() <= 2 * (other - right).abs().max() + 0.01 * size


def test_what_is_frozen_gets_no_gradient(short_strips):
    layer, norm, x = case((2, 16, 17, 9))
    layer.gate.requires_grad_(False)
    layer.add_to(x.detach(), norm).sum().backward()
    assert all(one.grad is None for one in layer.gate.parameters())
    others = (*layer.dwconv.parameters(), *layer.attn.parameters(), *norm.parameters())
    assert all(one.grad is not None for one in others)


def test_others_are_computed_as_a_whole(short_strips):
    """Other forms, other widths, and where somebody asks for the gate."""
    for options in ({'mask_mode': 'multiply'}, {'separable': True}):
        layer, norm, x = case((1, 16, 5, 4), **options)
        assert type(layer.add_to(x, norm).grad_fn).__name__ != NAME
    layer, norm, x = case((1, 12, 5, 4))
    assert type(layer.add_to(x, norm).grad_fn).__name__ != NAME
    layer, norm, x = case((1, 16, 5, 4))
    seen = []
    assert type(layer.add_to(x, norm, seen.append).grad_fn).__name__ != NAME
    assert len(seen) == 1


def test_little_is_kept(monkeypatch):
    """The input, the mask, the values and what attention makes of them."""
    monkeypatch.setattr(strip_gradients, 'LEAST_PIXELS', 0)
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 2**60)
    layer, norm, x = case((2, 16, 32, 32))
    kept = {}

    def keep(one):
        kept[one.data_ptr()] = one.numel()
        return one

    with saved_tensors_hooks(keep, lambda one: one):
        answer = layer.add_to(x, norm)
    small = sum(one.numel() for one in (*layer.parameters(), *norm.parameters()))
    assert sum(kept.values()) <= 4 * x.numel() + small + 2 * (16 * 8 + 32)
    answer.sum().backward()
