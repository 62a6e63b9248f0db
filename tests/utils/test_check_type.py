from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Interval, Len, MinLen, MultipleOf, doc

from irbox.utils.bounded import PositiveFloat, PositiveInt, Share
from irbox.utils.check_type import check_type, takes_text

Choice = Literal['input', 'multiply']
Name = NewType('Name', str)


class Crop(TypedDict):
    multiple: PositiveInt
    policy: Choice
    side: NotRequired[int | None]


FITS = [
    (int, 3),
    (int, np.int64(3)),
    (float, 3),
    (float, 2.5),
    (float, np.float32(2.5)),
    (float, Fraction(1, 2)),
    (bool, False),
    (str, '1e-4'),
    (None, None),
    (Any, ...),
    (object, 3),
    (Choice, 'input'),
    (Literal[1, 2, None], None),
    (Path, 'a/b'),
    (Path, Path('a')),
    (str | Path, Path('a')),
    (tuple[int, ...], [1, 2]),
    (tuple[int, ...], []),
    (list[int], (1, 2)),
    (Sequence[str], ['a']),
    (Iterable[str], ('a',)),
    (tuple[float, float], [0, 1.5]),
    (dict[str, int], {'a': 1}),
    (Mapping, {1: 2}),
    (dict[str, list[Choice]], {'a': ['input']}),
    (int | None, None),
    (Optional[int], 3),  # noqa: UP045
    (int | list[int], [1]),
    (PositiveInt, 1),
    (Annotated[float, Interval(gt=0, lt=1)], 0.5),
    (Annotated[list[int], Len(1, 2)], [1, 2]),
    (PositiveInt | Literal[-1], -1),
    (Crop, {'multiple': 2, 'policy': 'input'}),
    (Crop, {'multiple': 2, 'policy': 'input', 'side': None}),
    (Name, 'x'),
    (torch.Tensor, torch.ones(1)),
    # What YAML cannot write, or what means nothing here.
    (Callable[[int], int], 'anything'),
    (torch.nn.Module, {'type': 'x'}),
    (torch.dtype | None, 'float32'),
]


@pytest.mark.parametrize(('declared', 'value'), FITS, ids=str)
def test_what_fits_passes(declared, value):
    check_type(value, declared, 'a.b')


MISFITS = [
    (int, 1.5, 'a.b: 1.5 must be a whole number.'),
    (int, True, 'a.b: true must be a whole number.'),
    (int, None, 'a.b: null must be a whole number.'),
    (int, float('inf'), 'a.b: inf must be a whole number.'),
    (int, 10**30, f'a.b: {10**30} must be a whole number that fits into 64 bits.'),
    (float, True, 'a.b: true must be a number.'),
    (float, [1], 'a.b: [1] must be a number.'),
    (float, float('nan'), 'a.b: nan must be a finite number.'),
    (float, 10**400, 'must be a finite number.'),
    (float, '1e-4', "a.b: '1e-4' is text, not a number."),
    (float, '1e-4', 'Write 1.0e-4.'),
    (float, '.5', 'Write 0.5.'),
    (int, '8', 'Write 8.'),
    (int, 'many', "a.b: 'many' is text; a number is needed."),
    (int | None, '8', 'Write 8.'),
    (float | torch.Tensor, 'abc', "a.b: 'abc' is text; a number is needed."),
    (int | Choice, 'imput', 'must be a whole number'),
    (int | Choice, '3', 'Write 3.'),
    (bool, 'yes', "a.b: 'yes' must be true or false, without quotes."),
    (bool, '', "a.b: '' must be true or false, without quotes."),
    (bool, 1, 'a.b: 1 must be true or false.'),
    (str, 3, 'a.b: 3 must be text: write it in quotes.'),
    (str, False, 'a.b: false must be text: write it in quotes.'),
    (str, None, 'a.b: null must be text.'),
    (str, ['a'], "a.b: ['a'] must be text."),
    (Path, 3, 'a.b: 3 must be a path.'),
    (None, 3, 'a.b: 3 must be null.'),
    (Choice, 'inputs', "a.b: 'inputs' is unknown. Did you mean 'input'? Choose 'input' or 'mul"),
    (Choice, None, "a.b: null is unknown. Choose 'input' or 'multiply'."),
    (Choice | None, 'x', "a.b: 'x' is unknown. Choose 'input', 'multiply' or null."),
    (Literal[1, 2], True, 'a.b: true is unknown. Choose 1 or 2.'),
    (Literal[1, 2], [1], 'a.b: [1] is unknown. Choose 1 or 2.'),
    (tuple[int, ...], 3, 'a.b: 3 must be a list, such as [3].'),
    (tuple[int, ...], None, 'a.b: null must be a list.'),
    (tuple[int, ...], [1, True], 'a.b.1: true must be a whole number.'),
    (Sequence[str], 'haze', "a.b: 'haze' must be a list, such as ['haze']."),
    (tuple[float, float], [1], 'a.b: [1] must be a list of 2.'),
    (tuple[float, float], 4, 'a.b: 4 must be a list of 2, such as [4, 4].'),
    (float | tuple[float, float], [1, 2, 3], 'a.b: [1, 2, 3] must be a number or a list of 2.'),
    (dict[str, int], [], 'a.b: [] must be a mapping.'),
    (dict[str, int], {3: 1}, 'a.b: 3 is a name in it, and must be text: write it in quotes.'),
    (dict[str, int], {'x': 'y'}, "a.b.x: 'y' is text; a number is needed."),
    (dict[str, int | list[int]], {'x': [1.5]}, 'a.b.x.0: 1.5 must be a whole number.'),
    (dict[str, int] | None, False, 'a.b: false must be a mapping or null.'),
    (int | list[int], {}, 'a.b: {} must be a whole number or a list.'),
    (int | list[int], ['x'], "a.b.0: 'x' is text; a number is needed."),
    (PositiveInt, 0, 'a.b: 0 must be a whole number above 0.'),
    (PositiveFloat | None, -1, 'a.b: -1 must be a number above 0 or null.'),
    (Share, 1.5, 'a.b: 1.5 must be a number of at least 0 and of at most 1.'),
    (Annotated[float, Interval(gt=0, lt=1)], 1, 'a.b: 1 must be a number above 0 and below 1.'),
    (Annotated[int, MultipleOf(8)], 12, 'a.b: 12 must be a whole number divisible by 8.'),
    (Annotated[list[int], MinLen(1)], [], 'a.b: [] must be a list of at least 1.'),
    (list[PositiveInt], [1, 0], 'a.b.1: 0 must be a whole number above 0.'),
    (PositiveInt | Literal[-1], 0, 'a.b: 0 must be a whole number above 0 or -1.'),
    (Annotated[int, Ge(2), doc('Two survive.')] | None, 1, 'of at least 2 or null. Two survive.'),
    (Annotated[Literal[False], doc('No epochs.')], True, 'is unknown. Choose false. No epochs.'),
    (Annotated[int, Gt(0)], '3', 'Write 3.'),
    (Crop, {'multiple': 0, 'policy': 'input'}, 'a.b.multiple: 0 must be a whole number above 0'),
    (Crop, {'multiple': 2}, "a.b: {'multiple': 2} needs policy."),
    (Crop, {'multipel': 2}, "a.b.multipel: 'multipel' is no known key. Did you mean 'multiple'?"),
    (Crop, 3, 'a.b: 3 must be a mapping.'),
    (torch.Tensor, 3, 'a.b: 3 must be a tensor.'),
    (Name, 3, 'must be text'),
]


@pytest.mark.parametrize(('declared', 'value', 'message'), MISFITS, ids=lambda one: str(one)[:50])
def test_what_does_not_fit_is_named_with_place_value_and_rule(declared, value, message):
    with pytest.raises(ValueError) as caught:
        check_type(value, declared, 'a.b')
    assert message in str(caught.value)


def test_long_values_are_shortened_and_a_remedy_is_added():
    with pytest.raises(ValueError) as caught:
        check_type(list(range(1000)), int, 'a', remedy='Leave it out.')
    assert len(str(caught.value)) < 200 and str(caught.value).endswith(' Leave it out.')


@pytest.mark.parametrize(
    ('declared', 'wanted'),
    [(int, False), (float | None, False), (str | None, True), (list[str], True), (Choice, True)],
    ids=str,
)
def test_where_text_may_stand(declared, wanted):
    assert takes_text(declared) == wanted
