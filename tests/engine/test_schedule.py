import pytest
from mmengine.config import Config

from irbox.engine.schedule import to_iterations


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
