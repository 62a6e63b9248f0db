import pytest
import torch
from torch import nn

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.activations import _Kept, kept_bytes
from irbox.engine.hooks import ProgressivePatchesHook
from irbox.engine.memory import check_activations
from irbox.engine.sharding import recompute_blocks
from irbox.registry import MODELS
from support.paths import TINY

PIXELS = 2 * 16 * 16
"""Of two patches of 16."""


@MODELS.register_module()
class TwoConvolutions(nn.Module):
    """Keeps its input, three channels, and the map between, eight, which ReLU keeps once more."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, image, mode='tensor'):
        return self.second(self.first(image).relu())


@MODELS.register_module()
class LooksAtNumbers(TwoConvolutions):
    def forward(self, image, mode='tensor'):
        return super().forward(image) if image.sum().item() > -1 else image


class Loader:
    def __init__(self, batch_size, patch_size):
        self.batch_size = batch_size
        self.dataset = type('Crops', (), {'patch_size': patch_size})()


def with_experts():
    return load_config('configs/m2restore_demo.py', {'model.network.dim': 8}).model


@pytest.fixture(autouse=True)
def prepared_mmengine():
    compat.init()


def test_each_map_counts_once_and_weights_do_not():
    assert kept_bytes({'type': 'TwoConvolutions'}, 2, 16) == (3 + 8) * PIXELS * 4


@pytest.mark.parametrize('recompute', [False, True])
def test_it_is_what_a_real_step_keeps(recompute):
    config = with_experts()
    model = MODELS.build(config).train()
    if recompute:
        recompute_blocks(model)
    counted = _Kept(model)
    for module in model.modules():  # what experts really keep is counted whole
        module._forward_pre_hooks.clear()
        module._forward_hooks.clear()
    with torch.autograd.graph.saved_tensors_hooks(counted.add, lambda kept: kept):
        answer = model(torch.rand(2, 3, 32, 32), mode='tensor')
    del answer
    estimated = kept_bytes(config, 2, 32, recompute)
    assert 0.5 * counted.bytes < estimated < 1.1 * counted.bytes


def test_recomputing_blocks_keeps_less():
    model = with_experts()
    assert 0 < 3 * kept_bytes(model, 2, 32, recompute=True) < kept_bytes(model, 2, 32)


def test_it_grows_with_the_batch_and_the_area():
    model = load_config(TINY).model
    once = kept_bytes(model, 1, 64)
    assert kept_bytes(model, 4, 64) == pytest.approx(4 * once, rel=0.05)
    assert kept_bytes(model, 1, 128) == pytest.approx(4 * once, rel=0.05)


def test_what_cannot_fit_is_refused_before_it_is_taken():
    config = {'model': load_config(TINY).model}
    check_activations(config, Loader(2, 64))
    with pytest.raises(ValueError, match=r'10000 patches of 1024 .* Lower batch_size or patch_'):
        check_activations(config, Loader(10_000, 1024))
    with pytest.raises(ValueError, match='recompute_blocks: true'):
        check_activations(config, Loader(10_000, 1024))
    with pytest.raises(ValueError, match='patch_size[.]$'):
        check_activations(config | {'recompute_blocks': True}, Loader(1_000_000, 1024))


def test_the_largest_stage_counts():
    config = {'model': load_config(TINY).model}
    stages = [{'iters': 1, 'patch': 8, 'batch': 10_000}, {'iters': 1, 'patch': 1024, 'batch': 1}]
    check_activations(config, Loader(10_000, 1024), [ProgressivePatchesHook(stages)])


def test_what_cannot_be_counted_is_not_judged():
    for model in ({'type': 'LooksAtNumbers'}, {'type': 'Unheard'}):
        check_activations({'model': model}, Loader(10**6, 4096))
    check_activations({'model': {'type': 'TwoConvolutions'}}, Loader(10**6, None))
