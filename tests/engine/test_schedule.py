import math

import pytest
import torch
from mmengine.config import Config

from irbox.config.load_config import load_config
from irbox.engine.schedule import to_iterations
from irbox.registry import PARAM_SCHEDULERS, find_part
from support.paths import ROOT

SCHEDULES = ROOT / 'configs/_base_/schedules'


def config(**changes):
    content = {
        'train_dataloader': {'batch_size': 4},
        'train_cfg': {'max_epochs': 10},
        'optim_wrapper': {'accumulative_counts': 2},
        'default_hooks': {'checkpoint': {'type': 'CheckpointHook'}},
        'param_scheduler': [
            {'type': 'LinearLR', 'by_epoch': True, 'begin': 0, 'end': 1},
            {'type': 'CosineAnnealingLR', 'by_epoch': True, 'begin': 1, 'end': 10},
        ],
    }
    return Config(content | changes)


def test_epochs_become_iterations():
    # 10 epochs of 101 samples at 4: 252.5 iterations, an epoch 25.25.
    cfg = config()
    notes = to_iterations(cfg, samples=101, world_size=1)
    assert cfg.train_cfg == {'max_iters': 253, 'val_interval': 26}
    assert cfg.default_hooks.checkpoint.interval == 26
    assert [(s.begin, s.end, s.by_epoch) for s in cfg.param_scheduler] == [
        (0, 26, False),
        (26, 253, False),
    ]
    assert '10 epochs of 101 samples at 4 per iteration are 253 iterations' in notes[0]
    assert len(notes) == 3


@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_schedule_that_follows_a_score_is_refused_by_name(by_epoch):
    plateau = {'type': 'ReduceOnPlateauLR', 'monitor': 'mean/psnr', 'by_epoch': by_epoch}
    with pytest.raises(ValueError, match=r'param_scheduler\.0: ReduceOnPlateauLR follows a score'):
        to_iterations(config(param_scheduler=[plateau]), samples=101, world_size=1)


def test_more_processes_make_epochs_shorter():
    cfg = config()
    to_iterations(cfg, samples=101, world_size=4)
    assert cfg.train_cfg.max_iters == 64


def test_m2restore_recipe():
    # 200 epochs of 19,069 images at 2: 1,906,900 iterations (476,725 updates at 4 accumulated).
    cfg = config(
        train_cfg={'max_epochs': 200, 'val_interval': 1},
        train_dataloader={'batch_size': 2},
        optim_wrapper={'accumulative_counts': 4},
    )
    to_iterations(cfg, samples=19_069, world_size=1)
    assert cfg.train_cfg.max_iters == 1_906_900
    assert cfg.train_cfg.val_interval == 9536


def test_iterations_stay():
    cfg = config(
        train_cfg={'max_iters': 100},
        param_scheduler={'type': 'CosineAnnealingLR', 'begin': 5, 'end': 50},
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'interval': 10}},
    )
    assert to_iterations(cfg, samples=101, world_size=1) == []
    assert cfg.train_cfg == {'max_iters': 100, 'val_interval': 1000}
    assert cfg.default_hooks.checkpoint.interval == 10
    # mmengine's default would count epochs, of which there is one.
    scheduler = cfg.param_scheduler
    assert (scheduler.begin, scheduler.end, scheduler.by_epoch) == (5, 50, False)


def test_checkpoints_in_epochs():
    cfg = config(
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'by_epoch': True, 'interval': 2}}
    )
    to_iterations(cfg, samples=101, world_size=1)
    assert cfg.default_hooks.checkpoint == {'type': 'CheckpointHook', 'interval': 52}


def test_milestones_in_epochs():
    cfg = config(param_scheduler=[{'type': 'MultiStepLR', 'by_epoch': True, 'milestones': [2, 4]}])
    to_iterations(cfg, samples=100, world_size=1)
    assert cfg.param_scheduler[0].milestones == [50, 100]


def test_without_hooks_and_schedulers():
    cfg = config(param_scheduler=None, default_hooks=None)
    to_iterations(cfg, samples=100, world_size=1)
    assert cfg.train_cfg.max_iters == 250


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'train_cfg': {'max_iters': 10, 'val_interval': 3}},
            r'train_cfg\.val_interval=3 must be a multiple of .*accumulative_counts=2.* Take 4',
        ),
        (
            {
                'train_cfg': {'max_iters': 10, 'val_interval': 4},
                'default_hooks': {'checkpoint': {'type': 'CheckpointHook', 'interval': 5}},
            },
            r'default_hooks\.checkpoint\.interval=5 must be a multiple',
        ),
        (
            {'param_scheduler': [{'type': 'ExponentialLR', 'by_epoch': True}]},
            r'param_scheduler\.0: ExponentialLR .* by_epoch: false',
        ),
    ],
)
def test_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        to_iterations(config(**changes), samples=100, world_size=1)


def shipped(name, samples=100, batch=10, **changes):
    """Learning rates of all iterations of a shipped schedule, on a small data set."""
    cfg = load_config(SCHEDULES / f'{name}.yaml', changes)
    cfg.train_dataloader = {'batch_size': batch}
    to_iterations(cfg, samples, world_size=1)
    assert cfg.optim_wrapper.accumulative_counts == 4
    lr = cfg.optim_wrapper.optimizer.lr
    optim = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedulers = []
    for one in cfg.param_scheduler:
        given = {'end': cfg.train_cfg.max_iters} | one.to_dict()
        schedulers.append(find_part(given.pop('type'), PARAM_SCHEDULERS)(optim, **given))
    rates = []
    for _ in range(cfg.train_cfg.max_iters):
        rates.append(optim.param_groups[0]['lr'])
        optim.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ('name', 'epochs', 'warm_up', 'end', 'late'),
    [
        ('promptir', 120, 15, 150, 1),
        ('adair', 150, 15, 180, 1),
        ('moce_ir', 120, 15, 150, 0),
        ('m2restore_official', 200, 15, 180, 1),
        ('m2ir_paper_compat', 150, 15, 180, 1),
    ],
)
def test_published_schedules(name, epochs, warm_up, end, late):
    # 10.2 iterations to an epoch.
    rates = shipped(name, samples=102)
    assert len(rates) == math.ceil(epochs * 10.2)
    for iteration, rate in enumerate(rates):
        step = max(iteration * 10 // 102 - late, 0)
        turn = math.pi * (step - warm_up) / (end - warm_up)
        share = step / (warm_up - 1) if step < warm_up else (1 + math.cos(turn)) / 2
        assert rate == pytest.approx(2e-4 * share, rel=1e-12, abs=1e-19), iteration
    # As measured with the published code.
    assert [rates[51 * epoch // 5] for epoch in (0, 10)] == [0, rates[102]]
    assert rates[math.ceil(10.2 * (2 - 1 + late))] == pytest.approx(1.43e-5, rel=2e-3)
    assert sum(rate == 0 for rate in rates) >= (21 if late else 11)
    if epochs == 200:
        assert rates[math.ceil(10.2 * 181)] == 0
        assert rates[-1] == pytest.approx(5.8e-6, rel=5e-3)


@pytest.mark.parametrize(('name', 'epochs', 'warm_up'), [('m2ir', 150, 15), ('adam_200e', 200, 1)])
def test_our_schedules_change_with_every_iteration_and_end_at_the_last(name, epochs, warm_up):
    rates = shipped(name)
    assert len(rates) == 10 * epochs
    assert rates[0] == pytest.approx(2e-4 * 1e-3)
    assert rates[10 * warm_up - 1] == pytest.approx(2e-4) == rates[10 * warm_up]
    rising, falling = rates[: 10 * warm_up], rates[10 * warm_up :]
    assert all(one < two for one, two in zip(rising, rising[1:], strict=False))
    assert all(one > two for one, two in zip(falling, falling[1:], strict=False))
    assert rates[-1] == pytest.approx(1e-6, rel=1e-9)


def test_a_shorter_training_still_ends_its_cosine():
    rates = shipped('m2ir', **{'train_cfg.max_epochs': 20})
    assert len(rates) == 200
    assert rates[-1] == pytest.approx(1e-6, rel=1e-9)


def test_a_scheduler_in_epochs_is_told_how_long_they_are():
    scheduler = {'type': 'EpochWarmUpCosineLR', 'warm_up': 2, 'cosine_end': 9, 'by_epoch': True}
    cfg = config(param_scheduler=scheduler)
    notes = to_iterations(cfg, samples=101, world_size=2)
    assert cfg.param_scheduler.iterations_per_epoch == 101 / 8
    assert cfg.param_scheduler.by_epoch is False
    assert 'EpochWarmUpCosineLR changes every 12.625 iterations.' in notes
