import pytest
import torch
from torch.nn import functional as F

from irbox.config import load_plugins
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from irbox.testing import check_block
from support.paths import ROOT
from support.peers import trains

load_plugins([ROOT / 'plugins/naf_block.py'])


def block(dim=6):
    part = BLOCKS.build({'type': 'NAFBlock'}, stage=Stage(dim=dim, heads=1)).eval()
    with torch.no_grad():
        for weight in part.parameters():
            weight.copy_(torch.randn_like(weight) / max(weight[0].numel(), 1) ** 0.5)
    return part


def test_it_keeps_what_a_block_must_keep():
    check_block(BLOCKS.get('NAFBlock'))


def test_it_begins_as_the_identity():
    x = torch.randn(2, 8, 5, 7)
    part = BLOCKS.build({'type': 'NAFBlock'}, stage=Stage(dim=8, heads=1))
    assert torch.equal(part(x, Context(image=x)), x)


@pytest.mark.parametrize('dim', [16, 48])
def test_it_has_the_published_number_of_weights(dim):
    count = sum(weight.numel() for weight in block(dim).parameters())
    assert count == 7 * dim**2 + 33 * dim
    assert dim != 48 or count == 17_712


def test_its_weights_have_the_published_names():
    layers = ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'sca.1', 'norm1', 'norm2')
    wanted = {f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')}
    state = block().state_dict()
    assert set(state) == wanted | {'beta', 'gamma'}
    assert state['beta'].shape == (1, 6, 1, 1) and state['conv2.weight'].shape == (12, 1, 3, 3)


def test_it_computes_the_papers_equations():
    part, x = block(), torch.randn(2, 6, 5, 7)
    w = part.state_dict()

    def conv(x, name, **options):
        return F.conv2d(x, w[f'{name}.weight'], w[f'{name}.bias'], **options)

    def norm(x, name):
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).square().mean(1, keepdim=True)
        scale, shift = (w[f'{name}.{kind}'].view(-1, 1, 1) for kind in ('weight', 'bias'))
        return (x - mean) / (variance + 1e-6).sqrt() * scale + shift

    def gate(x):
        return x[:, : x.shape[1] // 2] * x[:, x.shape[1] // 2 :]

    u = gate(conv(conv(norm(x, 'norm1'), 'conv1'), 'conv2', padding=1, groups=12))
    attention = conv(u.mean((2, 3), keepdim=True), 'sca.1')
    y = x + w['beta'] * conv(u * attention, 'conv3')
    wanted = y + w['gamma'] * conv(gate(conv(norm(y, 'norm2'), 'conv4')), 'conv5')
    torch.testing.assert_close(part(x, Context(image=x)), wanted, atol=1e-5, rtol=1e-5)


def test_a_config_trains_with_it():
    trains('naf_block_demo.yaml')
