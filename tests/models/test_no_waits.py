"""A training step asks nothing of a device that its host would have to wait for."""

import pytest
import torch

from irbox.benchmark.networks import read_network
from irbox.config.load_config import load_config
from irbox.layers import mixture_of_experts
from irbox.layers.fused.switch import fused_on
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.native.library import native
from irbox.registry import LOSSES, MODELS
from irbox.structures import Context, DegradationPrior
from support.paths import ROOT
from support.waits import Waits

SMALL = {'dim': 16, 'depths': [1, 1, 1, 1], 'refinement': 1}
SYSTEMS = ['unet', 'm2ir', 'm2restore', 'm2restore_official']


def model_of(name, device):
    config = ROOT / f'configs/_base_/models/{name}.yaml'
    small = {f'model.network.{key}': value for key, value in SMALL.items()}
    content = load_config(config, small, sections=['model']).to_dict()['model']
    content['network'] = read_network(str(config), small).network
    with torch.device(device):
        return MODELS.build(content).train()


def waits_of_a_step(model, image, backward=True):
    # As the benchmark's stand-in for DA-CLIP has it, a prior's buffers are made on the CPU.
    model.to(image.device)
    native()  # whose trial, at first use in a process, waits for numbers of its own
    with Waits() as waits:
        total = sum(model(image, torch.zeros_like(image), mode='loss').values())
        if backward:
            total.backward()
    return waits.found


@pytest.mark.parametrize('fused', [False, True])
@pytest.mark.parametrize('name', SYSTEMS)
def test_nothing_is_sent_and_nothing_is_read(name, fused):
    """On the meta device, where layers that no fused kernel computes have a forward pass alone."""
    with fused_on('meta', learns=fused):
        image = torch.zeros(2, 3, 32, 40, device='meta')
        assert waits_of_a_step(model_of(name, 'meta'), image, backward=fused) == []


@pytest.mark.parametrize('name', SYSTEMS)
def test_routed_pixels_are_not_counted_by_the_host(name, monkeypatch):
    monkeypatch.setenv('IRBOX_NATIVE', '0')
    monkeypatch.setattr(mixture_of_experts, 'WAITLESS', ('cpu',))
    torch.manual_seed(0)
    model = model_of(name, 'cpu')
    assert waits_of_a_step(model, torch.rand(2, 3, 32, 40)) == []
    if any(isinstance(part, MixtureOfExperts) for part in model.modules()):
        monkeypatch.setattr(mixture_of_experts, 'WAITLESS', ())
        assert 'nonzero' in waits_of_a_step(model, torch.rand(2, 3, 32, 40))


@pytest.mark.parametrize('name', sorted(LOSSES.module_dict))
def test_losses_send_nothing(name):
    """But labels, which are words: on a CUDA device from memory that is pinned."""
    if name in ('BalanceLoss', 'DegradationLabelLoss'):
        pytest.skip('is in a whole network, or reads words')
    image = torch.zeros(2, 3, 32, 32, device='meta', requires_grad=True)
    beliefs = torch.zeros(2, 4, device='meta')
    context = Context(image, DegradationPrior(beliefs, beliefs, beliefs))
    with Waits() as waits:
        LOSSES.build({'type': name})(image, torch.zeros_like(image), context).backward()
    assert waits.found == []


def test_what_waits_is_noticed():
    x = torch.zeros(4, 5)
    with Waits() as waits:
        x.sum().item()
        x[x > 0]
        torch.repeat_interleave(torch.ones(4, dtype=torch.int64))
        torch.tensor([1.0, 2.0], device='meta')
        x.to('meta')
    assert waits.found == [
        '_local_scalar_dense',
        'index',
        'repeat_interleave',
        'lift_fresh',
        '_to_copy',
    ]
