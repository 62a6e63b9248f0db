import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from irbox.restore.batch.settings import REPEATED, Settings, from_record

CHANGED = {
    'tile': (64, 96),
    'overlap': 8,
    'precision': 'fp32',
    'strength': 0.5,
    'degradations': {'haze': 1.0},
    'not_': ('rain',),
    'mask': Path('mask.png'),
    'steer_mask': Path('steer.png'),
    'self_ensemble': True,
    'max_memory': '1G',
    'format': 'png',
    'quality': 80,
    'strip': ('gps',),
    'record': False,
    'details': {'model': 'digest'},
}


def test_each_setting_changes_the_digest_and_equal_ones_do_not():
    assert set(CHANGED) == {one.name for one in fields(Settings)}
    digests = {replace(Settings(), **{name: value}).digest() for name, value in CHANGED.items()}
    assert len(digests | {Settings().digest()}) == len(CHANGED) + 1
    one, other = ({'a': 1.0, 'b': 0.5}, {'b': 0.5, 'a': 1.0})
    assert Settings(degradations=one).digest() == Settings(degradations=other).digest()


def test_a_record_that_went_through_json_repeats_what_decides_and_nothing_else():
    settings = Settings(**CHANGED)
    record = json.loads(json.dumps({'settings': settings.repeated()}))
    assert from_record(record, 'a.png') == {name: CHANGED[name] for name in REPEATED}
    assert Settings().repeated() == {} and Settings(tile=64).repeated() == {'tile': 64}
    later = {'settings': {'tile': 64, 'of_a_later_version': 1}}
    assert from_record(later, 'a.png') == {'tile': 64}


@pytest.mark.parametrize('record', [{}, {'settings': None}, {'settings': ['tile']}])
def test_a_record_without_settings(record):
    with pytest.raises(ValueError, match='in a.png says nothing of how the picture was made'):
        from_record(record, 'a.png')


@pytest.mark.parametrize(
    ('name', 'wrong'),
    [
        ('tile', [[64], 0, [64, 0], 'big', True]),
        ('overlap', [-1, 1.5, True]),
        ('precision', ['fp64', None]),
        ('strength', [1.5, -0.1, '1', True, float('nan')]),
        ('degradations', [['haze'], {'haze': -1}, {'haze': 'x'}]),
        ('not_', ['rain', [1]]),
        ('self_ensemble', [1, None]),
        ('format', ['exe', None]),
        ('quality', [0, 101, 50.5]),
    ],
)
def test_values_that_somebody_changed(name, wrong):
    for value in wrong:
        with pytest.raises(ValueError, match=f'in a.png says {name}=.* no such setting: it was ch'):
            from_record({'settings': {name: value}}, 'a.png')


def test_what_the_model_is_told():
    told = Settings(**CHANGED).options()
    for name in set(CHANGED) - {'precision', 'format', 'quality', 'strip', 'record', 'details'}:
        assert getattr(told, name) == (['rain'] if name == 'not_' else CHANGED[name])
    assert Settings().options().not_ is None
