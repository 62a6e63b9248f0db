"""Layers whose parts are not what they were built with, or are looked into, go by torch."""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.nn.utils import parametrizations, parametrize

from irbox.blocks.mst_block import MSTBlock
from irbox.blocks.transformer_block import TransformerBlock
from irbox.experts.mlp_expert import MLPExpert
from irbox.layers.attention import TransposedAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.mixture_gradient import can_mix_by_kernels
from irbox.layers.mixture_in_blocks import can_mix_in_blocks
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.norm import LayerNorm2d
from irbox.layers.resample import Downsample, Upsample
from irbox.structures import Context, Stage

DIM, SIDE = 16, 130
"""Wide and large enough for kernels and for strips, with gradients and without."""
STAGE = Stage(dim=DIM, heads=1)


class Half(nn.Module):
    def forward(self, weight):
        return 0.5 * weight


def map_of(side=SIDE, **options):
    return torch.randn(1, DIM, side, side, generator=torch.manual_seed(0), **options)


def test_gradients_of_parametrized_weights():
    plain = GatedFeedForward(DIM)
    halved = copy.deepcopy(plain)
    with torch.no_grad():
        halved.project_in.weight.mul_(2)
    parametrize.register_parametrization(halved.project_in, 'weight', Half())
    x = map_of()
    found = []
    for layer in (plain, halved):
        answer = layer(x)
        answer.square().mean().backward()
        found.append((answer, layer.dwconv.weight.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one)
    original = halved.project_in.parametrizations.weight.original.grad
    torch.testing.assert_close(2 * original, plain.project_in.weight.grad)


@pytest.mark.parametrize('make', [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_more_or_fewer_parameters_than_weights(make):
    block = TransformerBlock(STAGE)
    make(block.ffn.project_out)
    block(map_of(), Context(map_of())).mean().backward()
    expert = MLPExpert(DIM)
    make(expert.fc1)
    mixture = MixtureOfExperts([expert, MLPExpert(DIM)])
    assert not can_mix_by_kernels(mixture, map_of())


def changed(name):
    """Give a layer that was changed after it was built, and what it computes by its parts."""
    torch.manual_seed(1)
    if name in ('reflected', 'wide', 'dilated'):
        attention = name == 'dilated'
        layer = TransposedAttention(DIM, 1) if attention else GatedFeedForward(DIM)
        place = 'qkv_dwconv' if attention else 'dwconv'
        width = getattr(layer, place).in_channels
        options = {
            'reflected': {'kernel_size': 3, 'padding': 1, 'padding_mode': 'reflect'},
            'wide': {'kernel_size': 5, 'padding': 2},
            'dilated': {'kernel_size': 3, 'padding': 2, 'dilation': 2},
        }[name]
        setattr(layer, place, nn.Conv2d(width, width, groups=width, bias=False, **options))
        return layer, layer.as_a_whole
    if name == 'gate':
        layer, norm = MambaStyleAttention(DIM, 1), LayerNorm2d(DIM)
        layer.gate[1] = nn.Hardtanh(0, 1)
        return (lambda x: layer.add_to(x, norm)), (lambda x: x + layer(norm(x)))
    layer = Upsample(DIM) if name == 'up' else Downsample(DIM)
    mode = 'replicate' if name == 'padded' else 'zeros'
    made = layer[0].out_channels
    layer[0] = nn.Conv2d(DIM, made, 3, padding=1, padding_mode=mode, bias=name != 'padded')
    return layer, lambda x: layer[1](layer[0](x))


@pytest.mark.parametrize('name', ['reflected', 'wide', 'dilated', 'gate', 'up', 'down', 'padded'])
def test_parts_that_were_replaced_compute(name):
    layer, whole = changed(name)
    with torch.no_grad():
        torch.testing.assert_close(layer(map_of()), whole(map_of()), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer(map_of()), whole(map_of()), atol=1e-5, rtol=1e-5)


def test_an_activation_that_was_replaced_computes():
    mixture = MixtureOfExperts([MLPExpert(DIM), MLPExpert(DIM)])
    for expert in mixture.experts:
        expert.act = nn.ReLU()
    assert not can_mix_by_kernels(mixture, map_of())
    assert not can_mix_in_blocks(mixture)


@pytest.mark.parametrize('side', [8, SIDE])
def test_backward_hooks_are_called(side):
    layer, called = GatedFeedForward(DIM), []
    layer.dwconv.register_full_backward_hook(lambda *_: called.append('dwconv'))
    layer(map_of(side)).sum().backward()
    assert called == ['dwconv']


@pytest.mark.parametrize('learns', [False, True])
@pytest.mark.parametrize('block', [TransformerBlock, MSTBlock])
def test_tensors_without_memory(block, learns):
    with FakeTensorMode(), torch.set_grad_enabled(learns):
        x = torch.empty(1, DIM, SIDE, SIDE)
        assert block(STAGE)(x, Context(x)).shape == x.shape


@pytest.mark.filterwarnings('ignore:.*torch.jit.script:FutureWarning')  # torch's own
@pytest.mark.parametrize('block', [TransformerBlock, MSTBlock])
def test_tangents(block):
    """Of frozen weights: nothing but the tangent is differentiated."""
    layer, x, way = block(STAGE).requires_grad_(False).double(), map_of(40).double(), 1e-5
    tangent = torch.randn_like(x)

    def run(one):
        return layer(one, Context(one))

    with forward_ad.dual_level():
        found = forward_ad.unpack_dual(run(forward_ad.make_dual(x, tangent))).tangent
    expected = (run(x + way * tangent) - run(x - way * tangent)) / (2 * way)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    mapped = torch.func.vmap(lambda one: run(one[None])[0])(torch.cat([x, tangent]))
    torch.testing.assert_close(mapped, torch.cat([run(x), run(tangent)]))
