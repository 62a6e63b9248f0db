"""Layers that learn in strips against the same layers as a whole."""

import copy

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from irbox.layers import strip_gradients
from irbox.layers import strips as strips_module
from irbox.layers.attention import TransposedAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.norm import LayerNorm2d
from irbox.native import image_layers, layer_gradients, operators
from irbox.native.library import native

LAYERS = {
    'feed-forward': lambda: GatedFeedForward(12),
    'feed-forward with biases': lambda: GatedFeedForward(12, ratio=1.5, bias=True),
    'attention': lambda: TransposedAttention(12, 1),
    'attention of three heads with biases': lambda: TransposedAttention(12, 3, bias=True),
    'attention without a projection': lambda: TransposedAttention(12, 2, projection=False),
}
NORMS = {'alone': None, 'with a norm': True, 'with a norm without bias': False}


@pytest.fixture
def short_strips(monkeypatch):
    """Strips of a row or a few, at any size."""
    monkeypatch.setattr(strip_gradients, 'LEAST_PIXELS', 0)
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 2**60)
    monkeypatch.setattr(strips_module, 'BYTES', 2**13 // torch.get_num_threads())


def case(layer, norm='with a norm', size=(2, 12, 17, 9), dtype=torch.float32):
    """A layer with a norm that is not trivial, and its input."""
    torch.manual_seed(0)
    built = LAYERS[layer]().to(dtype)
    bias = NORMS[norm]
    around = None if bias is None else LayerNorm2d(12, bias).to(dtype)
    for module in (built, around):
        for weight in module.parameters() if module else ():
            torch.nn.init.normal_(weight, 0.5, 0.3)
    x = torch.randn(size, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return built, around, x.requires_grad_()


def run(built, around, x):
    return built(x) if around is None else built.add_to(x, around)


def weights(*modules):
    return [weight for module in modules if module for weight in module.parameters()]


@pytest.mark.parametrize('norm', NORMS)
@pytest.mark.parametrize('layer', LAYERS)
@pytest.mark.parametrize('size', [(2, 12, 17, 9), (3, 12, 2, 3), (1, 12, 1, 1)])
def test_gradients_are_those_of_the_whole(short_strips, layer, norm, size):
    built, around, x = case(layer, norm, size, torch.float64)
    whole, strips = built.as_a_whole(x, around), run(built, around, x)
    assert type(strips.grad_fn).__name__ in ('_FeedForwardBackward', '_AttentionBackward')
    torch.testing.assert_close(strips, whole)
    grad = torch.randn_like(whole)
    inputs = [x, *weights(built, around)]
    for one, other in zip(
        torch.autograd.grad(strips, inputs, grad),
        torch.autograd.grad(whole, inputs, grad),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('layer', LAYERS)
def test_they_can_be_differentiated_again(short_strips, layer):
    built, around, x = case(layer, size=(1, 12, 5, 4), dtype=torch.float64)
    found = []
    for answer in (run(built, around, x), built.as_a_whole(x, around)):
        (first,) = torch.autograd.grad(answer.square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [x, *built.parameters()]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('layer', LAYERS)
def test_in_bfloat16_they_are_as_near_as_the_whole(short_strips, layer):
    built, around, x = case(layer)
    inputs = [x, *weights(built, around)]
    grad = torch.randn_like(x)
    exact = torch.autograd.grad(built.as_a_whole(x, around), inputs, grad)
    with torch.autocast('cpu', torch.bfloat16):
        strips, whole = run(built, around, x), built.as_a_whole(x, around)
    assert strips.dtype == whole.dtype
    ours, theirs = (torch.autograd.grad(one, inputs, grad) for one in (strips, whole))
    for one, other, right in zip(ours, theirs, exact, strict=True):
        assert one.dtype == right.dtype
        size = right.abs().max()
        assert (one - right).abs().max() <= 2 * (other - right).abs().max() + 0.01 * size


@pytest.mark.parametrize('layer', LAYERS)
def test_what_is_frozen_gets_no_gradient(short_strips, layer):
    built, around, x = case(layer)
    first, *others = built.parameters()
    first.requires_grad_(False)
    run(built, around, x.detach()).sum().backward()
    assert first.grad is None and all(one.grad is not None for one in others)


@pytest.mark.parametrize(('layer', 'most'), [('feed-forward', 1), ('attention', 2)])
def test_little_is_kept(short_strips, layer, most):
    """Beside the weights: the input, of attention the values and two small matrices as well."""
    built, around, x = case(layer, size=(2, 12, 32, 32))
    kept = {}

    def keep(one):
        kept[one.data_ptr()] = one.numel()
        return one

    with saved_tensors_hooks(keep, lambda one: one):
        answer = run(built, around, x)
    small = sum(one.numel() for one in weights(built, around)) + 2 * (12 * 12 + 24)
    assert sum(kept.values()) <= most * x.numel() + small
    answer.sum().backward()


@pytest.mark.parametrize('layer', LAYERS)
def test_small_maps_and_watched_layers_are_computed_as_a_whole(layer, monkeypatch):
    built, around, x = case(layer)
    names = ('_FeedForwardBackward', '_AttentionBackward')
    assert type(run(built, around, x).grad_fn).__name__ not in names
    monkeypatch.setattr(strip_gradients, 'LEAST_PIXELS', 0)
    assert type(run(built, around, x).grad_fn).__name__ in names
    seen = []
    next(built.children()).register_forward_hook(lambda *_: seen.append(1))
    run(built, around, x)
    assert seen


def test_the_same_bits_every_time(short_strips):
    built, around, x = case('attention')
    first, second = (
        torch.autograd.grad(run(built, around, x).square().sum(), [x, *built.parameters()])
        for _ in range(2)
    )
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


SMALL = {
    'feed-forward': lambda: GatedFeedForward(16),
    'feed-forward with biases': lambda: GatedFeedForward(16, bias=True),
    'attention': lambda: TransposedAttention(16, 1),
    'attention of two heads with biases': lambda: TransposedAttention(16, 2, bias=True),
    'attention without a projection': lambda: TransposedAttention(16, 2, projection=False),
}


@pytest.fixture
def kernels():
    if native() is None:
        pytest.skip('no kernels on this machine')


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('bias', [None, True, False], ids=['alone', 'norm', 'norm without bias'])
@pytest.mark.parametrize('layer', SMALL)
@pytest.mark.parametrize('size', [(3, 16, 9, 7), (2, 16, 2, 3), (1, 16, 40, 36)], ids=str)
@pytest.mark.parametrize('kept', [True, False], ids=['kept', 'made again'])
def test_gradients_by_kernels(layer, bias, size, kept, monkeypatch):
    """Beside those of the whole layer in float64, whose rounding is the smaller one."""
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 0 if kept else 2**60)
    monkeypatch.setattr(strip_gradients, 'LEAST_PIXELS', 0)
    monkeypatch.setattr(strips_module, 'BYTES', 2**14 // torch.get_num_threads())
    torch.manual_seed(0)
    built, norm = SMALL[layer](), None if bias is None else LayerNorm2d(16, bias)
    x = torch.randn(size).contiguous(memory_format=torch.channels_last)
    grad = torch.randn_like(x)
    asked = []
    strip_by_strip = (operators, 'gate_gradient'), (operators, 'depthwise_gradient')
    at_once = (
        (layer_gradients, 'feed_forward_gradient'), (layer_gradients, 'attention_gradient'),
        (image_layers, 'feed_forward_gradient'), (image_layers, 'self_attention_gradient'),
    )  # fmt: skip
    for module, name in (*strip_by_strip, *at_once):
        kernel = getattr(module, name)
        given = (kernel, module)
        monkeypatch.setattr(module, name, lambda *a, k=given: asked.append(k[1]) or k[0](*a))
    found = gradients(built, norm, x, grad, run)
    # Heads of eight channels are no whole vectors.
    whole = kept and 'two heads' not in layer and 'without' not in layer
    assert set(asked) in ([{layer_gradients}, {image_layers}] if whole else [{operators}])
    exact = [one and copy.deepcopy(one).double() for one in (built, norm)]
    whole = gradients(
        *exact, x.double(), grad.double(), lambda one, around, x: one.as_a_whole(x, around)
    )
    for one, other in zip(found, whole, strict=True):
        assert (one - other).abs().max() <= 2e-5 * other.abs().max() + 1e-6


def gradients(built, norm, x, grad, compute):
    """Those of the input and of all weights, and the answer."""
    x = x.requires_grad_()
    answer = compute(built, norm, x)
    return [answer, *torch.autograd.grad(answer, [x, *weights(built, norm)], grad)]


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize(('layer', 'most'), [('feed-forward', 7), ('attention', 5)])
def test_less_is_kept_than_by_the_whole(layer, most, monkeypatch):
    """The input and the wide map, of attention the values as well."""
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 0)
    built, norm = SMALL[layer](), LayerNorm2d(16)
    x = torch.randn(2, 16, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    kept = {}

    def keep(one):
        kept[one.data_ptr()] = one.numel()
        return one

    with saved_tensors_hooks(keep, lambda one: one):
        answer = run(built, norm, x)
    assert answer.requires_grad  # held, and with it what it keeps: no address is there twice
    small = sum(one.numel() for one in weights(built, norm)) + 2 * (16 * 16 + 32)
    assert sum(kept.values()) <= most * x.numel() + small


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('keeps', [True, False])
def test_large_maps_are_kept_where_memory_is(keeps, monkeypatch):
    monkeypatch.setattr(strip_gradients, 'MOST_KEPT', 2**20)
    monkeypatch.setattr(strip_gradients, 'keeps_memory', lambda: keeps)
    layer, x = SMALL['feed-forward'](), torch.randn(2, 16, 48, 40)
    wide = layer.project_in.out_channels
    assert strip_gradients.can_learn_by_kernels(x, wide, layer) == keeps
    assert strip_gradients.can_learn_by_kernels(x[:1, :, :12], wide, layer) is False, 'a small one'


@pytest.mark.parametrize(('size', 'rows'), [((3, 16, 9, 7), 9), ((1, 16, 40, 36), 42)], ids=str)
def test_a_large_image_is_kept_with_rows_around_it(size, rows, monkeypatch):
    """Strips of it are views."""
    monkeypatch.setattr(strips_module, 'BYTES', 2**16 // torch.get_num_threads())
    kept = strips_module.kept_map(torch.randn(size), 96)
    assert kept.shape == (size[0], rows, size[3], 96)
    if rows > size[2]:
        assert not kept[:, 0].any() and not kept[:, -1].any()
