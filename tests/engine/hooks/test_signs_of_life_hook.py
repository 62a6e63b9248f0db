"""Real trainings of a small network with experts."""

import pytest
from mmengine.model import BaseModel
from torch import nn

from irbox.config.load_config import load_config
from irbox.engine.run_defaults import default_hooks
from irbox.engine.test import test as score
from irbox.engine.train import train
from irbox.registry import MODELS
from support.paths import TINY
from support.small_model import small_config

LOOKS = {'type': 'SignsOfLifeHook', 'looks': 2, 'every': 2}


def run(work_dir, **options):
    options = {key.replace('__', '.'): value for key, value in options.items()}
    train(load_config(TINY, {'work_dir': str(work_dir)} | options))


def with_experts():
    network = small_config(dim=4)['model']['network'] | {'_delete_': True}
    network['prior'] = {'type': 'MLPPrior', 'num_degradations': 2, 'feature_dim': 4, 'width': 4}
    return {'model__network': network, 'default_hooks__signs_of_life': LOOKS}


@pytest.fixture
def starved(monkeypatch):
    """Let the third expert get nothing, whatever the router thinks."""
    from irbox.routers.noisy_top_k_router import NoisyTopKRouter

    forward = NoisyTopKRouter.forward

    def without_third(self, *given, **named):
        routing = forward(self, *given, **named)
        weights = routing.weights.clone()
        weights[:, 2] = 0
        return type(routing)(weights, routing.load, routing.scores, routing.shared)

    monkeypatch.setattr(NoisyTopKRouter, 'forward', without_third)


def test_an_expert_that_nobody_visits(tmp_path, capsys, starved):
    run(tmp_path, **with_experts())
    warnings = [one for one in capsys.readouterr().err.splitlines() if 'no pixel' in one]
    assert warnings[0].startswith(
        'WARNING: Iteration 4: no pixel visits expert 3 of 3 at encoder 1: before_level, '
    ), warnings
    # Each time anew: 12 iterations, and two looks in four of them.
    assert len(warnings) == 3
    assert 'in 2 looks over 4 iterations' in warnings[0]


def test_nothing_is_said_of_what_lives(tmp_path, capsys):
    run(tmp_path, **with_experts())
    assert 'no pixel' not in capsys.readouterr().err


def test_a_loss_that_does_not_fall(tmp_path, capsys):
    still = {
        'param_scheduler': None,
        'optim_wrapper__optimizer__lr': 0.0,
        'train_cfg__max_iters': 60,
        'train_cfg__val_interval': 60,
        'default_hooks__signs_of_life': LOOKS | {'flat': 60},
    }
    run(tmp_path / 'still', **still)
    assert 'WARNING: Iteration 60: the loss has not fallen' in capsys.readouterr().err
    run(tmp_path / 'falls', **(still | {'optim_wrapper__optimizer__lr': 0.01}))
    assert 'the loss has not' not in capsys.readouterr().err


def test_every_training_has_it(tmp_path):
    config = load_config(TINY, {'work_dir': str(tmp_path)})
    assert default_hooks(config)['signs_of_life'] == {'type': 'SignsOfLifeHook'}


def test_an_iteration_is_one_look_also_where_images_are_restored_again(tmp_path, capsys, starved):
    run(tmp_path, model__again=1.0, train_cfg__max_iters=4, **with_experts())
    warnings = [one for one in capsys.readouterr().err.splitlines() if 'no pixel' in one]
    assert len(warnings) == 1 and warnings[0].startswith('WARNING: Iteration 4: ')


@MODELS.register_module()
class Foreign(BaseModel):
    """A model of somebody's own, with no `network` in it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, image, target=None, label=None, name=None, mode='tensor'):
        restored = self.layer(image)
        if mode == 'loss':
            return {'loss': (restored - target).abs().mean()}
        named = zip(restored, image, target, label, name, strict=True)
        keys = ('unclipped', 'image', 'target', 'label', 'name')
        return [
            dict(zip(keys, one, strict=True)) | {'restored': one[0].clamp(0, 1)} for one in named
        ]


def test_a_model_without_a_network_is_trained_and_tested(tmp_path):
    model = {'_delete_': True, 'type': 'Foreign'}
    run(tmp_path, model=dict(model), default_hooks__signs_of_life=LOOKS)
    config = load_config(TINY, {'model': model, 'work_dir': str(tmp_path / 'test')})
    assert score(config, tmp_path / 'final.pth')
