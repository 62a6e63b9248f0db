"""Which layers learn image by image, and what is asked of them there as elsewhere."""

import pytest
import torch

from irbox.layers import image_by_image, strip_gradients
from irbox.layers.attention import TransposedAttention
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.norm import LayerNorm2d
from irbox.native.image_parts import can_learn
from irbox.native.library import native

LAYERS = {
    'feed-forward': lambda bias: GatedFeedForward(16, bias=bias),
    'self-attention': lambda bias: TransposedAttention(16, 2, bias=bias),
    'cross attention': lambda bias: TransposedCrossAttention(16, 2, bias=bias),
}


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Count the gradients that are asked for image by image."""
    if not can_learn(native()):
        pytest.skip('no kernels that multiply on this machine')
    monkeypatch.setattr(strip_gradients, 'LEAST_KEPT', 0)
    found = []
    for name in ('feed_forward', 'self_attention', 'cross_attention'):
        function = getattr(image_by_image, f'{name}_gradient')

        def counted(*given, function=function):
            found.append(function)
            return function(*given)

        monkeypatch.setattr(image_by_image, f'{name}_gradient', counted)
    return found


def case(layer, bias=False, dtype=torch.float32, centred=True):
    torch.manual_seed(0)
    built = LAYERS[layer](bias)
    for weight in built.parameters():
        torch.nn.init.normal_(weight, 0.3, 0.3)
    x = torch.randn(3, 16, 6, 5).contiguous(memory_format=torch.channels_last)
    return built.to(dtype), LayerNorm2d(16, centred).to(dtype), x.to(dtype).requires_grad_()


def run(built, norm, x):
    if isinstance(built, TransposedCrossAttention):
        return built(x.flip(3).contiguous(memory_format=torch.channels_last), x)
    return built.add_to(x, norm)


@pytest.mark.parametrize('layer', LAYERS)
def test_small_layers_do(layer, asked):
    run(*case(layer)).sum().backward()
    assert len(asked) == 1


@pytest.mark.parametrize('layer', LAYERS)
def test_those_with_biases_and_other_precisions_do_not(layer, asked):
    run(*case(layer, bias=True)).sum().backward()
    run(*case(layer, dtype=torch.float64)).sum().backward()
    with torch.autocast('cpu', torch.bfloat16):
        answer = run(*case(layer))
    answer.float().sum().backward()
    assert not asked


@pytest.mark.parametrize('layer', ['feed-forward', 'self-attention'])
def test_those_whose_images_are_in_strips_do_not(layer, asked, monkeypatch):
    monkeypatch.setattr('irbox.layers.strips.BYTES', 2**10 // torch.get_num_threads())
    run(*case(layer)).sum().backward()
    assert not asked


@pytest.mark.parametrize('centred', [True, False], ids=['bias', 'no bias'])
@pytest.mark.parametrize('layer', LAYERS)
def test_every_weight_that_learns_gets_a_gradient(layer, centred):
    built, norm, x = case(layer, centred=centred)
    first, *others = built.parameters()
    first.requires_grad_(False)
    run(built, norm, x.detach()).sum().backward()
    own = [] if isinstance(built, TransposedCrossAttention) else [*norm.parameters()]
    assert first.grad is None
    assert all(one.grad is not None and one.grad.shape == one.shape for one in [*others, *own])


@pytest.mark.parametrize('layer', LAYERS)
def test_they_can_be_differentiated_again(layer):
    found = []
    for dtype in (torch.float32, torch.float64):
        built, norm, x = case(layer, dtype=dtype)
        (first,) = torch.autograd.grad(run(built, norm, x).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [x, *built.parameters()]))
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() <= 1e-3 * other.abs().max()
