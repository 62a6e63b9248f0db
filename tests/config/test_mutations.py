"""Any value of a config that is of another kind passes the check or is named by it."""

import copy
import random
import re

import pytest

from irbox.config.check_config import check_config
from irbox.config.load_config import load_config
from support.fuzz import places
from support.paths import ROOT, TINY

PATHS = [TINY, *(ROOT / 'configs' / f'{name}.py' for name in ('m2ir_demo', 'm2restore_allweather'))]
COUNT = 120
VALUES = ['3', '', 'x', 1.5, -1, 0, True, None, [], {}, [None], ['x', 2], {1: 2}, {'type': 3}]
EXTREMES = [10**30, float('inf'), float('nan'), b'x', {'type': ['a']}, [[1]], object()]


def mutate(content, keys, value):
    """A copy of the config with another value at a place; tuples become lists."""
    changed = copy.deepcopy(content)
    owner = changed
    for position, key in enumerate(keys[:-1]):
        if isinstance(owner[key], tuple):
            owner[key] = list(owner[key])
        owner = owner[key]
        assert position < 20
    owner[keys[-1]] = value
    return changed


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_a_value_of_another_kind_is_named_with_its_place(path):
    content = load_config(path).to_dict()
    every = sorted(places(content), key=str)
    generator = random.Random(f'mutations of {path.stem}')
    refused = 0
    for _ in range(COUNT):
        keys = generator.choice(every)
        value = generator.choice(VALUES + EXTREMES)
        try:
            check_config(mutate(content, keys, value), sections=(keys[0],))
        except ValueError as error:
            refused += 1
            assert re.match(r'[\w.]+: ', str(error)), f'{keys} {value!r}: {error}'
            # The place, or the part that it makes another of.
            place = str(error).partition(': ')[0].split('.')
            shared = [str(key) for key in keys[: len(place)]]
            assert place[: len(keys)] == shared or place == shared[: len(place)], (keys, str(error))
        except Exception as error:
            pytest.fail(f'{".".join(map(str, keys))} = {value!r}: {type(error).__name__}: {error}')
    assert refused > COUNT / 2
