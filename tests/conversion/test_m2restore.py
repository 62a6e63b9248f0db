"""The released M2Restore checkpoint: every weight in its place, the same answer, faults named."""

import argparse
import os

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

import irbox
from irbox.conversion.convert import convert as convert_file
from irbox.conversion.m2restore import convert, released_name
from irbox.engine.checkpoint import load_weights, read_checkpoint
from irbox.registry import MODELS
from irbox.structures import Context
from support.m2restore_file import (
    TINY,
    released_shapes,
    released_weights,
    tiny_network,
    write_m2restore_file,
)
from support.paths import ROOT
from support.released_m2restore import Released

OFFICIAL = ROOT / 'configs/_base_/models/m2restore_official.yaml'
# Of weights with which every expert has pixels and no unit is dead.
SEED = 9
# In evaluation without influence: noise; held but never called; no gradient through `int`.
IDLE = ('.w_n', '.mean', '.std', '.conv.weight', '.score_gen.', '.rate_conv.')


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """The official composition, tiny."""
    path = tmp_path_factory.mktemp('config') / 'm2restore_tiny.yaml'
    path.write_text(yaml.safe_dump({'_base_': str(OFFICIAL), 'model': {'network': tiny_network()}}))
    return path


@pytest.fixture(scope='module')
def network(config):
    return irbox.build_network(config)


@pytest.fixture(scope='module')
def weights():
    return released_weights(TINY, SEED)


@pytest.fixture
def released(tmp_path):
    """A file as Lightning writes it."""
    write_m2restore_file(tmp_path / 'released.ckpt', TINY, SEED)
    return tmp_path / 'released.ckpt'


def load(network, weights):
    network.load_state_dict(convert(weights, network), strict=True)
    network.zero_grad()


def convert_released(config, source, target, trust_pickle=False):
    return convert_file(config, source, target, trust_pickle, system='m2restore')


# The same function.


def test_every_released_key_and_shape_fits_the_official_composition():
    with torch.device('meta'):
        network = irbox.build_network(OFFICIAL)
        released = {f'net.{key}': torch.empty(shape) for key, shape in released_shapes().items()}
        own = convert(released, network)
    assert sum(tensor.numel() for tensor in own.values()) == 46_830_041
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained == 46_830_041
    assert own.left_out == {"constants of the routers' noise": 6}
    network.load_state_dict(own, strict=True, assign=True)


def leaves(weights):
    return {key: tensor.clone().requires_grad_() for key, tensor in weights.items()}


def check_gradients(network, prefix, given, without=()):
    """The gradients of our weights are those of the released weights, weight by weight."""
    grads = {k: torch.zeros_like(v) if v.grad is None else v.grad for k, v in given.items()}
    wanted = convert(grads, network)
    # Queries of a band that is almost flat have next to no gradient: differences of larger numbers.
    rounding = 2e-7 * max(one.abs().max() for key, one in wanted.items() if key.startswith(prefix))
    for key, parameter in network.named_parameters():
        if key.startswith(prefix):
            scale = wanted[key].abs().max()
            assert scale > 0 or any(one in released_name(key) for one in without), key
            found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            error = (found - wanted[key]).abs().max()
            assert error <= 1e-3 * scale + rounding, f'{key}: {error} of {scale}'


@pytest.mark.parametrize('size', [(24, 40), (16, 72)])
def test_the_official_composition_gives_the_released_answer_and_gradients(network, weights, size):
    """Gradients tell weights of the same shape apart."""
    load(network, weights)
    image = 0.5 + 0.5 * torch.randn(2, 3, *size)
    prior = network.prior(image)
    given = leaves(weights)
    # The public code's data sets map degraded images to -1..1 and leave clean ones in 0..1.
    expected = Released(given)(2 * image - 1, prior.probabilities, prior.content)
    found = network(image)
    assert (expected - image).std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)

    direction = torch.randn_like(expected)
    (expected * direction).mean().backward()
    (found * direction).mean().backward()
    empty_band = ('channel_cross_h.q', 'channel_cross_h.temperature')
    check_gradients(network, '', given, (*IDLE, *empty_band))


def test_weights_without_influence_are_kept_all_the_same(network, weights):
    own = convert(weights, network)
    torch.testing.assert_close(
        own['before_levels.1.0.router.noise.weight'], weights['mcdb2.model.w_n'].T
    )
    for part in ('conv.weight', 'score_gen.weight', 'score_gen.bias'):
        assert own[f'before_upsamples.2.0.{part}'] is not weights[f'fre3.{part}']
        assert torch.equal(own[f'before_upsamples.2.0.{part}'], weights[f'fre3.{part}'])
    torch.testing.assert_close(
        own['before_upsamples.0.0.split.rate_conv.2.weight'], weights['fre1.rate_conv.2.weight']
    )


@pytest.mark.parametrize('rates', [(1, 1), (1, -1)])
def test_frequencies_of_a_map_that_is_large_enough_to_be_split(network, weights, rates):
    """From 256 pixels on the low band can hold something; the cut-offs decide."""
    weights = dict(weights)
    for name in ('conv1.weight', 'rate_conv.0.weight', 'rate_conv.2.weight'):
        weights[f'fre3.{name}'] = weights[f'fre3.{name}'].abs()
    weights['fre3.rate_conv.2.weight'] *= 0.1 * torch.tensor(rates).view(2, 1, 1, 1)
    load(network, weights)
    image, x = torch.rand(2, 3, 264, 280), torch.randn(2, 2 * TINY.dim, 264, 280)
    given = leaves(weights)
    reference = Released(given)
    cut = reference.cut_offs('fre3', reference.layer('fre3.conv1', image, padding=1))
    assert cut == [tuple(int(rate > 0) for rate in rates)] * 2
    expected = reference.frequency('fre3', image, x)
    found = network.before_upsamples[2][0](x, Context(image))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    if cut[0] == (1, 1):
        direction = torch.randn_like(x)
        (expected * direction).mean().backward()
        (found * direction).mean().backward()
        check_gradients(network, 'before_upsamples.2.', given, IDLE)


def test_a_prior_s_embeddings_are_told_apart(network, weights):
    """The gate reads the content embedding, not that of the degradation."""
    load(network, weights)
    prior = network.prior(torch.rand(1, 3, 16, 16))
    x = torch.randn(1, 8 * TINY.dim, 3, 5)
    with torch.no_grad():
        found = network.bottleneck[0](x, Context(x, prior))
        reference = Released({k: v for k, v in weights.items() if not k.startswith('latent.1')})
        expected, other = (reference.latent(x, one) for one in (prior.content, prior.features))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found - other).abs().max() > 1e-2


# Files.


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_lightning_file_becomes_a_checkpoint(released, config, network, weights, suffix):
    target = released.with_name(f'm2restore{suffix}')
    done = convert_released(config, released, target)
    parameters = sum(p.numel() for p in network.parameters())
    assert (done.tensors, done.parameters) == (len(network.state_dict()), parameters)
    assert sum(done.left_out.values()) == 4 + 6
    content = read_checkpoint(target)
    if suffix == '.pth':
        assert content['meta']['source'] == 'released.ckpt'
    wanted = convert(weights, network)
    assert content['state_dict'].keys() == {f'network.{key}' for key in wanted}
    restorer = MODELS.build({'type': 'Restorer', 'network': empty_network()})
    restorer.network = network
    network.load_state_dict({key: torch.zeros_like(one) for key, one in wanted.items()})
    load_weights(restorer, content['state_dict'], target)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, wanted[key]), key
    # It holds its own weights alone, and no temporary file is left.
    assert target.stat().st_size < 4 * parameters + 400 * len(wanted)
    assert sorted(one.name for one in released.parent.iterdir()) == [target.name, 'released.ckpt']


def empty_network():
    block = {'block': {'type': 'TransformerBlock'}}
    places = {place: block for place in ('encoder', 'bottleneck', 'decoder')}
    return {'type': 'RestorationUNet', **places, 'dim': 4, 'depths': [1, 1], 'heads': [1, 1]}


def test_other_forms_of_the_source(tmp_path, config, weights):
    """A bare state dict, half precision, safetensors, and what schedulers leave behind."""
    torch.save({key: tensor.half() for key, tensor in weights.items()}, tmp_path / 'bare.pt')
    save_file({f'net.{k}': v.contiguous() for k, v in weights.items()}, tmp_path / 'a.safetensors')
    write_m2restore_file(
        tmp_path / 'numpy.ckpt', TINY, SEED, lr_schedulers=[{'base_lrs': [np.float64(2e-4)]}]
    )
    for name in ('bare.pt', 'a.safetensors', 'numpy.ckpt'):
        target = tmp_path / f'{name}.pth'
        convert_released(config, tmp_path / name, target)
        state = read_checkpoint(target)['state_dict']
        assert {tensor.dtype for tensor in state.values()} == {torch.float32}
        torch.testing.assert_close(
            state['network.output.weight'], weights['output.weight'], rtol=1e-3, atol=1e-3
        )


def test_matrices_and_pointwise_convolutions_are_the_same(network, weights):
    """Published descriptions give both shapes for the same layers."""
    wanted = convert(weights, network)
    flat = {
        key: tensor.flatten(1) if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) else tensor
        for key, tensor in weights.items()
    }
    for router in ('mcdb1', 'mcdb2', 'mcdb3'):
        flat[f'{router}.model.gate_boost'] = flat[f'{router}.model.gate_boost'].view(1)
    found = convert(flat, network)
    assert sum(flat[key].shape != weights[key].shape for key in weights) > 20
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


# Faults.


def test_all_faults_are_counted_and_named(network, weights):
    state = {f'net.{key}': tensor for key, tensor in weights.items()}
    state = {key: one for key, one in state.items() if not key.startswith('net.latent.1.ssm.mamba')}
    state |= {f'net.extra.{i}': torch.zeros(1) for i in range(5)}
    state['output.weight'] = weights['output.weight']
    state['net.mcdb1.model.w_g'] = weights['mcdb1.model.w_g'].T
    state['net.fre1.para1'] = torch.zeros(3, 1, 1)
    with pytest.raises(ValueError) as caught:
        convert(state, network)
    message = str(caught.value)
    total = len(network.state_dict())
    assert f'These are not the {total} weights of the released M2Restore' in message
    assert '9 missing (latent.1.ssm.mamba.A_log, latent.1.ssm.mamba.D, ' in message
    assert '5 unknown (extra.0, extra.1, extra.2, ...)' in message
    assert '1 listed twice (output.weight)' in message
    assert '2 of another shape (mcdb1.model.w_g (6, 16) instead of (16, 6), ' in message
    assert 'fre1.para1 (3, 1, 1) instead of (64, 1, 1))' in message


def test_the_tiny_file_is_not_the_released_one(released):
    target = released.with_name('out.pth')
    with pytest.raises(ValueError, match=r'\d+ missing \(encoder_level1.2.*instead of'):
        convert_released(OFFICIAL, released, target)
    assert not target.exists()


class Malicious:
    """What a pickle can do: create a folder when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_runs_only_where_it_is_trusted(tmp_path, config):
    source, target, trace = (tmp_path / name for name in ('a.ckpt', 'out.pth', 'ran'))
    write_m2restore_file(source, TINY, callbacks={'x': Malicious(trace)})
    with pytest.raises(ValueError, match=r'mkdir.*convert_checkpoint.py m2restore .*trust-pickle'):
        convert_released(config, source, target)
    assert not trace.exists() and not target.exists()


def test_options_of_a_training_script_need_trust(tmp_path, config):
    source, target = tmp_path / 'a.ckpt', tmp_path / 'out.pth'
    write_m2restore_file(source, TINY, hyper_parameters={'opt': argparse.Namespace(lr=2e-4)})
    with pytest.raises(ValueError, match='argparse.Namespace'):
        convert_released(config, source, target)
    convert_released(config, source, target, trust_pickle=True)
    # What was written can be read by anyone.
    assert read_checkpoint(target)['state_dict']


def test_places_that_cannot_be_written_or_read(released, config):
    folder = released.parent
    (folder / 'kept.pth').write_text('kept')
    for source, target, error, message in (
        (folder / 'none.ckpt', folder / 'a.pth', FileNotFoundError, 'none.ckpt does not exist'),
        (released, folder / 'a.ckpt', ValueError, r'must be named \.pth or \.safetensors'),
        (released, folder / 'kept.pth', ValueError, 'kept.pth exists'),
        (released, folder / 'new/a.pth', FileNotFoundError, 'There is no folder'),
        (folder / 'kept.pth', folder / 'a.pth', ValueError, 'is damaged or no file of weights'),
    ):
        with pytest.raises(error, match=message):
            convert_released(config, source, target)
    assert (folder / 'kept.pth').read_text() == 'kept'
    assert not (folder / 'a.pth').exists()
