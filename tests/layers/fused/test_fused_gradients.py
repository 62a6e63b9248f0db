"""Layers that learn by fused operators against the same layers by torch's own gradients.

The operators compute by their twins here, on a CPU. That the kernels equal the twins:
test_fused_kernels.py; on a device: test_fused_gpu.py.
"""

import copy

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from irbox.benchmark.launches import CountLaunches
from irbox.layers import strip_gradients
from irbox.layers.attention import TransposedAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.fused import switch
from irbox.layers.fused.switch import can_learn_fused, fused_on
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.norm import LayerNorm2d
from irbox.registry import MODELS
from support.small_model import small_config

LAYERS = {
    'feed forward, 127 hidden': lambda: GatedFeedForward(48),
    'feed forward, 255 hidden': lambda: GatedFeedForward(96),
    'feed forward, bias': lambda: GatedFeedForward(12, 1.5, bias=True),
    'attention': lambda: TransposedAttention(48, 1),
    'attention, heads and bias': lambda: TransposedAttention(24, 4, bias=True),
    'attention, wide head': lambda: TransposedAttention(96, 1),
    'attention, no projection': lambda: TransposedAttention(24, 2, projection=False),
    'gated attention': lambda: MambaStyleAttention(24, 2),
    'gated attention, no projection': lambda: MambaStyleAttention(20, 2, projection=False),
}
NAMES = ('_FusedFeedForwardBackward', '_FusedAttentionBackward', '_FusedGatedBackward')
NORMS = {'alone': None, 'norm': True, 'norm without bias': False}
SIZES = pytest.mark.parametrize('size', [(2, 7, 9), (1, 1, 1), (2, 16, 8)], ids=str)


@pytest.fixture(autouse=True)
def _no_strips(monkeypatch):
    """What is called whole here is: no kernel of a CPU learns in its place."""
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 2**60)


def case(name, norm='norm', size=(2, 7, 9)):
    """A layer with a norm that is not trivial, and its input."""
    torch.manual_seed(0)
    layer = LAYERS[name]()
    dim = next(one for one in layer.modules() if isinstance(one, nn.Conv2d)).in_channels
    bias = NORMS[norm]
    around = None if bias is None else LayerNorm2d(dim, bias)
    with torch.no_grad():
        for weight in weights(layer, around):
            weight.add_(0.2 * torch.randn_like(weight))
    batch, *sides = size
    x = (torch.randn(batch, dim, *sides) + 1).contiguous(memory_format=torch.channels_last)
    return layer, around, x.requires_grad_()


def weights(*modules):
    return [weight for module in modules if module for weight in module.parameters()]


def as_a_whole(layer, around, x):
    return layer(x) if around is None else x + layer(around(x))


def run(layer, around, x):
    return layer(x) if around is None else layer.add_to(x, around)


def fused(layer, around, x):
    with fused_on('cpu', learns=True):
        answer = run(layer, around, x)
    assert type(answer.grad_fn).__name__ in NAMES
    return answer


def gradients(answer, inputs):
    grad = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(answer, inputs, grad.to(answer.dtype))


def can_stand_alone(name, norm):
    return norm != 'alone' or 'gated' not in name


CASES = [(name, norm) for name in LAYERS for norm in NORMS if can_stand_alone(name, norm)]
EVERY = pytest.mark.parametrize(
    ('name', 'norm'), CASES, ids=[f'{name}, {norm}' for name, norm in CASES]
)


@EVERY
@SIZES
def test_gradients_are_those_of_the_whole(name, norm, size):
    """Beside those of the whole layer in float64; of a single pixel rounding is all there is."""
    layer, around, x = case(name, norm, size)
    inputs = [x, *weights(layer, around)]
    ours, plain = fused(layer, around, x), as_a_whole(layer, around, x)
    found, theirs = ([answer, *gradients(answer, inputs)] for answer in (ours, plain))
    exact = [one and copy.deepcopy(one).double() for one in (layer, around)]
    right = x.detach().double().requires_grad_()
    whole = as_a_whole(*exact, right)
    expected = [whole, *gradients(whole, [right, *weights(*exact)])]
    for one, other, best in zip(found, theirs, expected, strict=True):
        assert one.shape == best.shape and one.dtype == torch.float32
        error, allowed = ((a - best).abs().max() for a in (one, other))
        limit = 2e-5 if size != (1, 1, 1) else 1e-3
        assert error <= limit * best.abs().max() + 1e-6 + 4 * allowed


@EVERY
@pytest.mark.parametrize('map_dtype', [torch.float32, torch.bfloat16], ids=str)
def test_in_bfloat16_they_are_as_near_as_the_whole(name, norm, map_dtype):
    layer, around, x = case(name, norm, (2, 16, 8))
    inputs = [x, *weights(layer, around)]
    exact = gradients(as_a_whole(layer, around, x), inputs)
    inputs[0] = x.detach().to(map_dtype).requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        ours, theirs = (one(layer, around, inputs[0]) for one in (fused, as_a_whole))
    assert ours.dtype == theirs.dtype
    found, plain = gradients(ours, inputs), gradients(theirs, inputs)
    for one, other, right, given in zip(found, plain, exact, inputs, strict=True):
        assert one.dtype == given.dtype
        error, allowed = ((a.float() - right).norm() for a in (one, other))
        assert error <= 2 * allowed + 0.01 * right.norm()


@pytest.mark.parametrize('name', LAYERS)
def test_they_can_be_differentiated_again(name):
    layer, around, x = case(name, size=(1, 5, 4))
    found = []
    for answer in (fused(layer, around, x), as_a_whole(layer, around, x)):
        (first,) = torch.autograd.grad(answer.square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [x, *layer.parameters()]))
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-3 * other.abs().max() + 1e-4


@pytest.mark.parametrize('name', LAYERS)
def test_the_same_bits_every_time(name):
    layer, around, x = case(name)
    inputs = [x, *weights(layer, around)]
    first, second = (gradients(fused(layer, around, x), inputs) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


@pytest.mark.parametrize('name', LAYERS)
def test_what_is_frozen_gets_no_gradient(name):
    layer, around, x = case(name)
    first, *others = layer.parameters()
    first.requires_grad_(False)
    fused(layer, around, x.detach()).sum().backward()
    assert first.grad is None and all(one.grad is not None for one in others)


@pytest.mark.parametrize(
    ('name', 'most'),
    [('feed forward, 127 hidden', 6.4), ('attention', 7), ('gated attention', 12)],
)
def test_less_is_kept_than_by_the_whole(name, most):
    """Maps, in those as large as the input; gated attention's two halves are padded, 24 to 32."""
    layer, around, x = case(name, size=(2, 32, 32))
    kept = {False: {}, True: {}}
    for by_kernels, storages in kept.items():

        def keep(one, storages=storages):
            storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
            return one

        with saved_tensors_hooks(keep, lambda one: one):
            answer = (fused if by_kernels else as_a_whole)(layer, around, x)
        assert answer.requires_grad  # held, and with it what it keeps: no address is there twice
    small = sum(one.nbytes for one in weights(layer, around)) + 2 * 6 * 48 * 48 * 4
    ours, theirs = (sum(kept[one].values()) for one in (True, False))
    assert ours <= most * x.nbytes + small
    assert ours < 0.95 * theirs


def test_a_network_learns_the_same(monkeypatch):
    network = MODELS.build(small_config()['model']['network']).train()
    image = torch.rand(2, 3, 16, 24)
    found, names = [], []
    for asked in ('0', '1'):
        monkeypatch.setenv(switch.TRAINING_SWITCH, asked)
        network.zero_grad()
        torch.manual_seed(0)
        with fused_on('cpu'), CountLaunches() as counting:
            (network(image) - image).square().mean().backward()
        names.append(set(counting.found.by_name))
        found.append([weight.grad for weight in network.parameters()])
    ours = {'gate_gradient', 'depthwise_gradient', 'norm_gradient', 'query_key_gradient'}
    assert not ours & names[0] and ours <= names[1]
    for plain, one in zip(*found, strict=True):
        assert (plain is None) == (one is None)
        if plain is not None:
            assert (one - plain).abs().max() <= 1e-4 * plain.abs().max() + 1e-7


def test_only_where_somebody_asked_for_it(monkeypatch):
    layer, x = GatedFeedForward(8), torch.randn(1, 8, 4, 4)
    monkeypatch.delenv(switch.TRAINING_SWITCH, raising=False)
    with fused_on('cpu'):
        assert not can_learn_fused(x, layer)
        monkeypatch.setenv(switch.TRAINING_SWITCH, '1')
        assert can_learn_fused(x, layer, None)
        assert not can_learn_fused(x.double(), layer)
        with torch.no_grad():
            assert not can_learn_fused(x, layer)
        handle = layer.dwconv.register_forward_hook(lambda *_: None)
        assert not can_learn_fused(x, layer)
        handle.remove()
        assert not can_learn_fused(x, nn.Conv2d(8, 8, 3, padding=1))
        monkeypatch.setenv(switch.SWITCH, '0')
        assert not can_learn_fused(x, layer)
    monkeypatch.setenv(switch.SWITCH, '1')
    assert not can_learn_fused(x, layer)  # a CPU


def test_others_are_computed_as_a_whole():
    """Other forms of gated attention, and where somebody asks for the gate."""
    x, norm, seen = torch.randn(1, 12, 5, 4), LayerNorm2d(12), []
    with fused_on('cpu', learns=True):
        for options in ({'mask_mode': 'multiply'}, {'separable': True}):
            answer = MambaStyleAttention(12, 2, **options).add_to(x, norm)
            assert type(answer.grad_fn).__name__ not in NAMES
        answer = MambaStyleAttention(12, 2).add_to(x, norm, seen.append)
    assert type(answer.grad_fn).__name__ not in NAMES and len(seen) == 1


def test_a_device_whose_kernels_differ_is_not_trusted(monkeypatch):
    from irbox.layers.fused import gradient_trial, trial

    lines = []
    monkeypatch.setattr(switch, 'print_log', lambda text, **_: lines.append(text))
    monkeypatch.setattr(trial, 'problem', lambda *_: None)
    monkeypatch.setattr(gradient_trial, 'problem', lambda *_: 'the kernel lies')
    for cached in (switch.trouble, switch.gradient_trouble):
        cached.cache_clear()
    assert switch.gradient_trouble(0, torch.float32) == 'the kernel lies'
    assert switch.trouble(0, torch.float32) is None
    monkeypatch.setattr(trial, 'problem', lambda *_: 'another lies')
    assert switch.gradient_trouble(1, torch.float32) == 'another lies'
    assert [line.split(' on ')[0] for line in lines] == [
        'Layers without gradients', 'Layers that learn', 'Layers without gradients',
    ]  # fmt: skip
    for cached in (switch.trouble, switch.gradient_trouble):
        cached.cache_clear()
