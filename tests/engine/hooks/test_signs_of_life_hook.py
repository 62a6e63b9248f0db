"""Real trainings of a small network with experts."""

import pytest

from irbox.config.load_config import load_config
from irbox.engine.run_defaults import default_hooks
from irbox.engine.train import train
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
