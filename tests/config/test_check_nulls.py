import pytest

from irbox.config.check_nulls import check_null, is_named, names_at, names_set_to_null, nulls_of
from irbox.config.section_types import Environment, Loader, Randomness
from irbox.utils.check_type import check_type

CONFIG = {
    'model': {
        'type': 'Restorer',
        'network': {'type': 'Net', 'prior': None},
        'losses': {'pixel': {'type': 'L1Loss'}, 'balance': None},
    },
    'val_dataloader': {'rain': {'dataset': {'sampler': None}}, 'haze': None},
    'test_dataloader': {'dataset': {'type': 'P', 'sources': {'a': ['x'], 'b': {}, 'c': None}}},
    'train_cfg': {'named': {}, 'other': None},
}


def test_nulls_that_take_a_named_thing_away():
    assert sorted(names_set_to_null(CONFIG)) == [
        ('model', 'losses', 'balance'),
        ('test_dataloader', 'dataset', 'sources', 'c'),
        ('val_dataloader', 'haze'),
    ]
    assert names_set_to_null({}) == []


@pytest.mark.parametrize(
    ('owner', 'named'),
    [
        ({'a': {}, 'b': None}, True),
        ({'a': {}, 'c': ['x'], 'b': None}, True),
        ({'type': 'X', 'a': {}, 'b': None}, False),
        ({'dataset': {}, 'b': None}, False),
        ({'a': {}, 'c': 3, 'b': None}, False),
        ({'a': ['x'], 'b': None}, False),
        ({'b': None}, False),
    ],
)
def test_what_stands_beside_a_null_tells_whether_it_is_a_name(owner, named):
    assert is_named({'model': {'x': owner}}, ('model', 'x', 'b')) == named
    assert not is_named({'other': {'x': owner}}, ('other', 'x', 'b'))


def test_places_that_are_not_there():
    assert names_at(CONFIG, ('model', 'losses', 'new')) == CONFIG['model']['losses']
    for keys in (('model', 'none', 'x'), ('model', 'type', 'x'), ('no', 'x')):
        assert names_at(CONFIG, keys) == {}


def test_nulls_of_what_is_merged_but_not_of_what_replaces():
    given = {'a': None, 'b': {'c': None, 1: None}, 'd': {'_delete_': True, 'e': None}, 'f': [None]}
    assert list(nulls_of(given, ('x',))) == [('x', 'a'), ('x', 'b', 'c'), ('x', 'b', '1')]


def test_a_null_for_a_name_that_there_is_not():
    check_null(('model', 'losses', 'balance'), ['balance'])
    said = "model.losses.balanse: null takes away .* has 'balanse'. Did you mean 'balance'.* remove"
    with pytest.raises(ValueError, match=said):
        check_null(('model', 'losses', 'balanse'), ['pixel', 'balance'])


@pytest.mark.parametrize(
    ('section', 'good', 'wrong', 'said'),
    [
        (Loader, {'batch_size': 1, 'num_workers': 0}, {'batch_size': 0}, 'x.batch_size: 0 must'),
        (Loader, {'prefetch_factor': None}, {'num_workers': -1}, 'x.num_workers: -1 must'),
        (Loader, {'timeout': 0}, {'bach_size': 1}, "Did you mean 'batch_size'"),
        (Randomness, {'seed': None}, {'seed': '0'}, "x.seed: '0' is text"),
        (Environment, {'mp_cfg': None}, {'mp_cfg': {'mp_start_method': 'frok'}}, "'fork'"),
    ],
)
def test_sections_that_are_no_parts(section, good, wrong, said):
    check_type(good, section, 'x')
    with pytest.raises(ValueError, match=said):
        check_type(wrong, section, 'x')
