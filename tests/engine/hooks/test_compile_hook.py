"""Compiled blocks: the same training, and nothing of it elsewhere."""

from types import SimpleNamespace

import pytest
import torch

from irbox.blocks.transformer_block import TransformerBlock
from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.hooks.compile_hook import CompileHook
from irbox.engine.network import build_network
from irbox.engine.train import train
from irbox.registry import HOOKS
from support.paths import CONFIGS, TINY
from support.small_model import small_config

SMALL = {
    'model.network.dim': 8,
    'model.network.depths': [1, 2],
    'model.network.heads': [1, 2],
    'model.network.refinement': 1,
}


@pytest.fixture(params=['restormer', 'm2ir', 'm2restore'])
def network(request):
    torch.manual_seed(0)
    return build_network(load_config(CONFIGS / f'{request.param}_demo.py', SMALL)).train()


def gradients(network, image):
    torch.manual_seed(1)
    network.zero_grad()
    network(image).square().sum().backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


@pytest.mark.slow
def test_same_gradients_and_weights(network):
    image = torch.rand(2, 3, 16, 16)
    expected, names = gradients(network, image), list(network.state_dict())
    hook = CompileHook(backend='aot_eager')
    hook.before_train(SimpleNamespace(model=network))
    assert list(network.state_dict()) == names
    actual = gradients(network, image)
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * other.abs().max().item())


def run(work_dir, **options):
    network = {'_delete_': True, **small_config(prior=None)['model']['network'], 'dim': 4}
    network |= {'encoder': network['decoder']}
    config = load_config(TINY, {'work_dir': str(work_dir), 'model.network': network, **options})
    train(config)
    return read_checkpoint(work_dir / 'iter_12.pth')


@pytest.fixture(scope='module')
def uncompiled(tmp_path_factory):
    return run(tmp_path_factory.mktemp('uncompiled'))


@pytest.mark.parametrize(
    'options',
    [
        {'custom_hooks': [{'type': 'CompileHook', 'backend': 'eager'}]},
        pytest.param({'compile_blocks': True}, marks=pytest.mark.slow),
    ],
    ids=['eager', 'inductor'],
)
def test_a_training_is_the_same_but_for_rounding(tmp_path, uncompiled, options):
    compiled = run(tmp_path, **options)
    assert list(compiled['state_dict']) == list(uncompiled['state_dict'])
    for name, value in uncompiled['state_dict'].items():
        torch.testing.assert_close(compiled['state_dict'][name], value, rtol=1e-3, atol=1e-4)


def test_blocks_are_as_they_are_in_validation(tmp_path, monkeypatch):
    compiled = []
    original = TransformerBlock.forward

    def forward(self, x, context):
        if not self.training:
            compiled.append('forward' in vars(self))
        return original(self, x, context)

    monkeypatch.setattr(TransformerBlock, 'forward', forward)
    run(tmp_path, custom_hooks=[{'type': 'CompileHook', 'backend': 'eager'}])
    assert compiled and not any(compiled)


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(ValueError, match='there is no no-such-compiler. Install one'):
        HOOKS.build({'type': 'CompileHook'})
