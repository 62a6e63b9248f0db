"""The words; ``test_check_type.py`` has the messages that they stand in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
import torch
import yaml
from annotated_types import Ge, Interval, Len, MultipleOf

from irbox.utils.type_words import EXPONENT, choose, describe, join_words, number_as_text, show


class Options(TypedDict):
    side: int


@pytest.mark.parametrize(
    ('hint', 'words'),
    [
        (bool, 'true or false'),
        (int | float | None, 'a whole number, a number or null'),
        (list[int] | tuple[int, ...] | Sequence[str], 'a list'),
        (tuple[int, str, None], 'a list of 3'),
        (Path | str, 'a path or text'),
        (dict[str, Any] | Options, 'a mapping'),
        (Literal['a', 1, None], "'a', 1 or null"),
        (Annotated[int, Ge(2), MultipleOf(8)], 'a whole number of at least 2 and divisible by 8'),
        (Annotated[float, Interval(gt=0, le=1)], 'a number above 0 and of at most 1'),
        (Annotated[list[int], Len(1, 3)], 'a list of at least 1 and of at most 3'),
        (Annotated[str, 'no bound'], 'text'),
        (torch.Tensor, 'a Tensor'),
    ],
    ids=str,
)
def test_annotations_in_words(hint, words):
    assert describe(hint) == words


@pytest.mark.parametrize('value', [None, True, False, 'a', 3, -1.5, ['a', 'b'], {'a': 1}])
def test_a_value_is_shown_so_that_yaml_reads_it_again(value):
    assert yaml.safe_load(show(value)) == value


def test_a_long_value_keeps_its_ends():
    text = show('x' * 500 + 'end')
    assert len(text) <= 120 and text.startswith("'xxx") and text.endswith("xend'")
    assert show('x' * 118) == repr('x' * 118), 'just fits'


# None: what is written is no finite number.
@pytest.mark.parametrize(
    ('text', 'better'),
    [
        ('1e-4', '1.0e-4'),
        ('25E3', '2.5e+4'),
        ('-3e8', '-3.0e+8'),
        ('1_000e2', '1.0e+5'),
        (' 12 ', '12'),
        ('0.50', '0.5'),
        ('1.5e400', None),
        ('nan', None),
        ('inf', None),
        ('1e', None),
        ('', None),
    ],
)
def test_a_number_that_is_text_is_written_so_that_yaml_reads_the_number(text, better):
    said = number_as_text(text)
    if better is None:
        assert said is None
        return
    assert said.endswith(f'Write {better}.')
    read = yaml.safe_load(better)
    assert isinstance(read, int | float) and read == float(text.replace('_', ''))


@pytest.mark.parametrize('text', ['1e4', '-1e-4', '1.e5', '.5E+3', '1_0e1'])
def test_exponents(text):
    assert EXPONENT.fullmatch(text) and not EXPONENT.fullmatch(text.partition('e')[0] + 'x')


def test_choices():
    said = choose('hase', ('haze', 'rain', None))
    assert said == "is unknown. Did you mean 'haze'? Choose 'haze', 'rain' or null."
    assert choose(4, (1, 2)) == 'is unknown. Choose 1 or 2.'
    assert join_words(['a', 'b', 'a', 'c']) == 'a, b or c' and join_words(['a', 'a']) == 'a'
