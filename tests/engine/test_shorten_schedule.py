import copy

import pytest
import torch
from mmengine.config import Config

from irbox.config.load_config import load_config
from irbox.engine.schedule import to_iterations
from irbox.engine.shorten_schedule import shorten_schedule
from irbox.registry import PARAM_SCHEDULERS, find_part
from support.paths import ROOT

SCHEDULES = ROOT / 'configs/_base_/schedules'
WARM_UP = {'type': 'LinearLR', 'start_factor': 0.01, 'begin': 0, 'end': 30, 'by_epoch': False}
COSINE = {'type': 'CosineAnnealingLR', 'begin': 30, 'by_epoch': False}
PER_EPOCH = {
    'type': 'EpochWarmUpCosineLR',
    'warm_up': 15,
    'cosine_end': 150,
    'iterations_per_epoch': 10.0,
}


def config(iterations, *schedulers, counts=1, **changes):
    content = {
        'train_cfg': {'max_iters': iterations, 'val_interval': 500},
        'optim_wrapper': {'accumulative_counts': counts},
        'param_scheduler': copy.deepcopy(list(schedulers)),
    }
    return Config(content | changes)


def rates(cfg, lr=1.0):
    """Learning rates of all iterations."""
    optim = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedulers = []
    for one in cfg.param_scheduler or ():
        given = {'end': cfg.train_cfg.max_iters} | one.to_dict()
        schedulers.append(find_part(given.pop('type'), PARAM_SCHEDULERS)(optim, **given))
    found = []
    for _ in range(cfg.train_cfg.max_iters):
        found.append(optim.param_groups[0]['lr'])
        optim.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


@pytest.mark.parametrize('iterations', [1, 2, 3, 4, 5, 9, 10, 17, 29, 30])
def test_any_length_reaches_the_full_rate_and_comes_down_again(iterations):
    cfg = config(iterations, WARM_UP, COSINE)
    (note,) = shorten_schedule(cfg)
    assert '\n' not in note
    found = rates(cfg)
    peak = found.index(max(found))
    assert max(found) == pytest.approx(1)
    assert peak <= max(1, iterations // 5)
    assert found[peak:] == sorted(found[peak:], reverse=True)
    if iterations > 2:
        assert found[0] == pytest.approx(0.01)
    if iterations > 4:
        assert found[-1] < 0.5


def test_what_was_scaled_is_said():
    cfg = config(
        4,
        WARM_UP,
        COSINE,
        default_hooks={
            'checkpoint': {'type': 'CheckpointHook', 'interval': 500},
            'logger': {'type': 'LoggerHook', 'interval': 50},
        },
    )
    assert shorten_schedule(cfg) == [
        'The schedule, longer than the training, is scaled to 4 iterations: LinearLR end 30 -> 2, '
        'CosineAnnealingLR begin 30 -> 2, train_cfg val_interval 500 -> 4, checkpoint interval '
        '500 -> 4, logger interval 50 -> 4.'
    ]
    assert shorten_schedule(cfg) == []  # it fits now


@pytest.mark.parametrize(
    ('iterations', 'schedulers'),
    [
        (31, [WARM_UP, COSINE]),
        (30, [WARM_UP]),
        # Published trainings stop before the cosine does.
        (120, [{**COSINE, 'T_max': 150}]),
        (120, [{**COSINE, 'end': 150}]),
        (160, [PER_EPOCH]),  # which is at its full rate in epoch 15
        (201, [{'type': 'MultiStepLR', 'milestones': [100, 200]}]),
        (100, [{'type': 'LinearLR', 'start_factor': 1.0, 'end_factor': 0.0, 'end': 520}]),
        (100, [{'type': 'PolyLR', 'end': 520}]),
        (1, []),
    ],
)
def test_a_schedule_that_fits_stays(iterations, schedulers):
    cfg = config(iterations, *schedulers, ema={'begin_iter': 1000})
    before = copy.deepcopy(cfg.to_dict())
    assert shorten_schedule(cfg) == []
    assert cfg.to_dict() == before


@pytest.mark.parametrize(
    ('iterations', 'schedulers', 'wanted'),
    [
        # The schedule's own length is known: a tenth of it.
        (52, [WARM_UP | {'end': 60}, COSINE | {'begin': 60, 'T_max': 460}], [(0, 6), (6, None)]),
        (20, [{'type': 'MultiStepLR', 'milestones': [92, 132, 199]}], [9, 13, 19]),
        # Steps that never end: one decay, in the middle.
        (10, [{'type': 'StepLR', 'step_size': 40}], [5]),
        (900, [{'type': 'StepLR', 'step_size': 1000}], [450]),
        (10, [{'type': 'StepLR', 'step_size': 40, 'end': 200}], [2]),
        (50, [{'type': 'ConstantLR', 'end': 100}], [(None, 5)]),
    ],
)
def test_everything_is_scaled_by_the_same_factor(iterations, schedulers, wanted):
    cfg = config(iterations, *schedulers)
    assert len(shorten_schedule(cfg)) == 1
    first = cfg.param_scheduler[0]
    if 'milestones' in first:
        assert first.milestones == wanted
    elif 'step_size' in first:
        assert [first.step_size] == wanted
    else:
        assert [(one.get('begin'), one.get('end')) for one in cfg.param_scheduler] == wanted
    if 'T_max' in cfg.param_scheduler[-1]:
        assert cfg.param_scheduler[-1].T_max == 46


def test_milestones_are_all_reached():
    cfg = config(7, {'type': 'MultiStepLR', 'milestones': [100, 200, 300], 'gamma': 0.5})
    shorten_schedule(cfg)
    assert rates(cfg)[-1] == pytest.approx(1 / 8)


def test_the_published_shape_keeps_its_form():
    cfg = config(75, PER_EPOCH)  # 1500 iterations to the end of its cosine
    shorten_schedule(cfg)
    assert cfg.param_scheduler[0].iterations_per_epoch == pytest.approx(0.5)
    whole = rates(config(1500, PER_EPOCH))
    assert rates(cfg) == pytest.approx(whole[::20], abs=0.08)


def test_averaged_weights_begin_in_time():
    cfg = config(30, WARM_UP, COSINE, ema={'begin_iter': 100, 'warm_up': 10})
    shorten_schedule(cfg)
    assert cfg.ema == {'begin_iter': 10, 'warm_up': 10}


def test_intervals_stay_multiples_of_the_accumulation():
    cfg = config(6, WARM_UP, COSINE, counts=4)
    shorten_schedule(cfg)
    assert cfg.train_cfg.val_interval == 8  # beyond the end, where there is a validation anyway


def test_a_single_scheduler_that_has_no_room():
    cfg = config(1, param_scheduler=dict(WARM_UP))
    shorten_schedule(cfg)
    assert cfg.param_scheduler is None
    assert rates(cfg) == [1.0]


@pytest.mark.parametrize('epochs', [1, 2, 14])
@pytest.mark.parametrize('name', ['m2ir', 'promptir', 'adair', 'moce_ir', 'm2restore_official'])
def test_a_few_epochs_of_a_shipped_schedule(name, epochs):
    cfg = load_config(SCHEDULES / f'{name}.yaml', {'train_cfg.max_epochs': epochs})
    cfg.train_dataloader = {'batch_size': 10}
    notes = to_iterations(cfg, samples=200, world_size=1)
    assert notes[-1].startswith(
        f'The schedule, longer than the training, is scaled to {20 * epochs}'
    )
    found = rates(cfg)
    assert max(found) > 0.9
    assert found[-1] < 0.2


ENTRIES = sorted(
    path
    for pattern in ('*.py', 'plugins/*.yaml', 'ablations/*/*.py')
    for path in (ROOT / 'configs').glob(pattern)
    if path.name != 'base.py'
)


@pytest.mark.parametrize(
    'path', ENTRIES, ids=[str(p.relative_to(ROOT / 'configs')) for p in ENTRIES]
)
def test_no_shipped_config_is_changed(path):
    cfg = load_config(path, sections=['train_cfg', 'param_scheduler'])
    assert not any('is scaled' in note for note in to_iterations(cfg, 20_000, world_size=1))
