import pytest
from mmengine.config import Config

from irbox.engine import compat
from irbox.engine.sections import (
    build_evaluator,
    build_hook,
    build_loader,
    build_loaders,
    errors_at,
    settle_seed,
    size,
)
from irbox.registry import DATASETS
from support import tiny_parts  # noqa: F401


@pytest.fixture(autouse=True, scope='module')
def _registries():
    compat.init()


def config(**content):
    made = Config({'train_dataloader': {'dataset': {'type': 'TinyPairs'}}} | content)
    settle_seed(made, 3)
    return made


@pytest.mark.parametrize(
    ('given', 'told', 'wanted'),
    [({'seed': 4}, None, 4), ({'seed': 4}, 5, 5), (None, 0, 0), ({'deterministic': True}, 7, 7)],
)
def test_the_seed_that_is_told_wins(given, told, wanted):
    made = Config({'randomness': given} if given else {})
    settle_seed(made, told)
    assert made.randomness == (given or {}) | {'seed': wanted}


def test_what_is_not_deterministic_is_refused_and_not_switched_off():
    made = Config({'randomness': {'deterministic': True}, 'env_cfg': {'cudnn_benchmark': True}})
    with pytest.raises(ValueError, match='cudnn_benchmark: true, which chooses by the clock'):
        settle_seed(made, 0)
    made.randomness.deterministic = False
    settle_seed(made, 0)


def test_a_seed_is_drawn_where_none_is_given_and_must_be_a_number():
    made = Config({'randomness': {'seed': None}})
    settle_seed(made)
    assert isinstance(made.randomness.seed, int)
    for wrong in ('7', True, 1.5):
        with pytest.raises(ValueError, match=f'randomness.seed: {wrong!r} must be a whole number'):
            settle_seed(Config({'randomness': {'seed': wrong}}))


@pytest.mark.parametrize('seed', [-1, 2**32, 20261128123456])
def test_a_seed_that_no_generator_takes_is_refused(seed):
    with pytest.raises(ValueError, match=rf'{seed} must be a whole number from 0 to 2\*\*32 - 1'):
        settle_seed(Config({}), seed)
    settle_seed(Config({}), 2**32 - 1)


def test_a_training_draws_for_ever_and_a_test_takes_each_once():
    made = config(val_dataloader={'dataset': {'type': 'TinyPairs', 'length': 5}})
    training = build_loader(made, 'train_dataloader', training=True)
    test = build_loader(made, 'val_dataloader')
    assert type(training.sampler).__name__ == 'DrawSampler'
    assert list(test.sampler) == list(range(5)) and size(test) == 5
    assert (test.batch_size, test.num_workers, test.persistent_workers) == (1, 0, False)


def test_a_training_set_follows_the_runs_seed_unless_it_has_its_own():
    for given, wanted in (({}, 3), ({'seed': 8}, 8)):
        made = config(train_dataloader={'dataset': {'type': 'TinyPairs'} | given})
        build_loader(made, 'train_dataloader', training=True)
        assert made.train_dataloader.dataset.seed == wanted


def test_sets_by_name_less_those_that_are_null():
    sets = {'a': {'dataset': {'type': 'TinyPairs'}}, 'b': None}
    made = config(val_dataloader=sets)
    assert list(build_loaders(made, 'val_dataloader')) == ['a']
    assert size(build_loaders(made, 'train_dataloader')) > 0


@pytest.mark.parametrize(
    ('dataset', 'said'),
    [
        ({'type': 'TinyPairs', 'length': 0}, 'train_dataloader.dataset holds no samples'),
        ({'type': 'TinyPairs', 'lenght': 3}, '^train_dataloader: '),
        (
            {'type': 'ConcatDataset', 'datasets': [{'type': 'TinyPairs'}]},
            "train_dataloader.dataset: mmengine's ConcatDataset cannot hold TinyPairs",
        ),
    ],
)
def test_sets_that_cannot_be_read(dataset, said):
    with pytest.raises(ValueError, match=said):
        build_loader(config(train_dataloader={'dataset': dataset}), 'train_dataloader')
    assert 'TinyPairs' in DATASETS.module_dict


@pytest.mark.parametrize(
    ('metrics', 'said'),
    [
        ([{'type': 'RestorationMetric'}] * 2, '2 RestorationMetrics .* Set `qualify: true` in all'),
        ({'type': 'RestorationMetric', 'protocol': 'no'}, '^val_evaluator: '),
    ],
)
def test_evaluators_that_cannot_be_told_apart_or_built(metrics, said):
    with pytest.raises(ValueError, match=said):
        build_evaluator(config(val_evaluator=metrics), 'val_evaluator')


def test_psnr_and_ssim_where_the_config_says_nothing():
    made = config()
    (metric,) = build_evaluator(made, 'val_evaluator').metrics
    assert type(metric).__name__ == made.val_evaluator.type == 'RestorationMetric'


def test_a_hook_with_a_priority_of_its_own_or_none():
    assert build_hook(None) is None
    given = {'type': 'FinalWeightsHook', 'priority': 'HIGH'}
    assert build_hook(given).priority == 'HIGH' and 'priority' in given
    assert build_hook({'type': 'FinalWeightsHook'}).priority == 'VERY_LOW'


@pytest.mark.parametrize(
    ('error', 'kind', 'text'),
    [
        (KeyError('no such part'), ValueError, 'a.b: no such part'),
        (AssertionError(), ValueError, 'a.b: AssertionError'),
        (FileNotFoundError('gone'), FileNotFoundError, 'a.b: gone'),
        (ModuleNotFoundError('absent'), ImportError, 'a.b: absent'),
        (RuntimeError('a bug'), RuntimeError, 'a bug'),
    ],
)
def test_errors_are_told_with_their_place(error, kind, text):
    with pytest.raises(kind) as caught, errors_at('a.b'):
        raise error
    assert str(caught.value) == text
