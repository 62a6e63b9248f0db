from pathlib import Path

import pytest
import torch

from irbox.config.check_config import DEFAULT_HOOKS
from irbox.config.load_config import config_text, load_config
from irbox.engine import compat
from irbox.engine.optim import AutocastOptimWrapper, OptimWrapper
from irbox.engine.prepare import (
    prepare_test,
    prepare_training,
    try_optimizer,
    work_dir_of,
)
from irbox.engine.run_defaults import OWN, default_hooks
from support.paths import TINY


@pytest.fixture(autouse=True)
def prepared_mmengine():
    compat.init()


def tiny(**options):
    return load_config(TINY, {key.replace('__', '.'): value for key, value in options.items()})


def test_everything_is_built_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepared = prepare_training(tiny())
    assert list(prepared.sections['val_dataloader']) == ['dark', 'mixed']
    loader = prepared.sections['train_dataloader']
    batch = next(iter(loader))
    assert batch['image'].shape == (2, 3, 16, 16)
    assert [type(hook).__name__ for hook in prepared.hooks] == ['EMAHook']
    assert prepared.config.default_hooks.checkpoint.interval == 4
    prepare_test(tiny())
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_weights_and_draws():
    def start(seed):
        prepared = prepare_training(tiny(), seed)
        names = next(iter(prepared.sections['train_dataloader']))['name']
        return prepared.model.state_dict(), names, prepared.config.train_dataloader.dataset.seed

    first, again, other = start(3), start(3), start(4)
    torch.testing.assert_close(first[0], again[0], rtol=0, atol=0)
    assert first[1:] == again[1:]
    assert first[1:] != other[1:]
    assert not torch.equal(first[0]['network.layers.0.weight'], other[0]['network.layers.0.weight'])


def test_a_seed_that_the_data_set_was_given_stays():
    prepared = prepare_training(tiny(train_dataloader__dataset__seed=7), 3)
    assert prepared.sections['train_dataloader'].dataset.seed == 7


@pytest.mark.parametrize(
    ('amp', 'kind'),
    [(False, OptimWrapper), (True, AutocastOptimWrapper), ('bf16', AutocastOptimWrapper)],
)
def test_precision(amp, kind):
    assert type(try_optimizer(prepare_training(tiny(amp=amp)))) is kind


def test_half_precision_needs_a_gpu():
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(ValueError, match='amp=fp16 needs a CUDA GPU'):
        prepare_training(tiny(amp='fp16'))


def test_precision_and_a_wrapper_of_ones_own():
    with pytest.raises(ValueError, match='cannot be combined'):
        prepare_training(tiny(amp='bf16', optim_wrapper__type='AmpOptimWrapper'))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model': None}, 'no `model`'),
        ({'optim_wrapper': None}, 'no `optim_wrapper`'),
        ({'train_dataloader__dataset__length': 0}, 'train_dataloader: .*empty'),
        ({'val_dataloader__dark__dataset__length': 0}, 'val_dataloader.dark.dataset holds no'),
        ({'optim_wrapper__optimizer__lr': -1.0}, 'optim_wrapper: Invalid learning rate'),
        ({'param_scheduler__0__end': -2}, 'param_scheduler.0: .*end'),
        (
            {'optim_wrapper__clip_grad__type': 'nrom'},
            "type: 'nrom' is unknown. Did you mean 'norm'",
        ),
        ({'ema__momentum': 2}, 'ema.momentum: 2 must be a number above 0 and below 1'),
        ({'val_evaluator__protocol': 'aoi'}, "val_evaluator: No protocol .*'aio'"),
        (
            {
                'default_hooks__checkpoint__type': 'CheckpointHook',
                'default_hooks__checkpoint__max_keep_ckpts': 1,
            },
            'default_hooks.checkpoint.max_keep_ckpts: 1 must',
        ),
        ({'train_cfg__val_interval': 3}, 'must be a multiple'),
        ({'randomness__seed': 'zero'}, 'randomness.seed'),
    ],
)
def test_what_cannot_be_built_is_named_with_its_place(options, message):
    with pytest.raises(ValueError, match=message):
        prepare_training(tiny(**options))


def test_every_hook_of_ours_can_be_switched_off():
    names = set(default_hooks(tiny(default_hooks__logger=None)))
    assert names - {'logger'} == set(OWN) and names <= DEFAULT_HOOKS
    off = tiny(default_hooks=dict.fromkeys(OWN))
    assert not set(default_hooks(off)) & set(OWN)


def test_tests_fall_back_on_the_validation_sets():
    prepared = prepare_test(tiny(), protocol='cdd11')
    assert list(prepared.sections['test_dataloader']) == ['dark', 'mixed']
    assert prepared.sections['test_evaluator'].metrics[0].protocol == 'cdd11'
    with pytest.raises(ValueError, match='no `test_dataloader`'):
        prepare_test(tiny(val_dataloader=None))
    with pytest.raises(ValueError, match="No protocol is called 'cdd'"):
        prepare_test(tiny(), protocol='cdd')


def test_a_training_without_validation():
    prepared = prepare_training(tiny(val_dataloader=None, val_evaluator=None))
    assert 'val_cfg' not in prepared.sections


def test_what_was_prepared_can_be_prepared_again(tmp_path):
    config = prepare_training(tiny(amp='bf16'), seed=5).config

    (tmp_path / 'config.yaml').write_text(config_text(config))
    again = load_config(tmp_path / 'config.yaml')
    assert prepare_training(again).config.to_dict() == config.to_dict()


def test_work_dirs_are_named_for_the_config():
    assert work_dir_of(tiny()) == Path('work_dirs/tiny')
    assert work_dir_of(tiny(work_dir='runs/x')) == Path('runs/x')


@pytest.mark.parametrize(('wrapper', 'key'), [('ConcatDataset', 'datasets'), ('RepeatDataset', '')])
def test_data_sets_of_ours_in_wrappers_of_mmengine_are_refused(wrapper, key):
    config = tiny()
    inner = config.train_dataloader.dataset
    held = {key: [inner, inner]} if key else {'dataset': inner, 'times': 2}
    config.train_dataloader.dataset = {'type': wrapper, **held}
    message = rf"train_dataloader.dataset: mmengine's {wrapper} cannot hold TinyPairs.*`sources`"
    with pytest.raises(ValueError, match=message):
        prepare_training(config)
