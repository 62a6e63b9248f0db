from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal

import pytest

from irbox.utils.part_arguments import arguments_of

if TYPE_CHECKING:
    from nowhere import Unknown

UNKNOWN = inspect.Parameter.empty


class Parent:
    def __init__(self, mode: Literal['a', 'b'] = 'a', *, width: int = 4):
        pass


class Child(Parent):
    def __init__(self, depth: int, **kwargs):
        super().__init__(**kwargs)


class Unresolved:
    def __init__(self, thing: Unknown, width: int = 4):
        pass


class Bare:
    pass


def test_annotations_that_are_text_are_resolved_along_the_base_classes():
    taken, closed = arguments_of(Child)
    assert closed and list(taken) == ['depth', 'mode', 'width']
    assert taken['depth'].declared is int and taken['depth'].default is UNKNOWN
    with pytest.raises(ValueError, match="x.mode: 'c' is unknown. Choose 'a' or 'b'"):
        taken['mode'].check('c', 'x.mode')


def test_what_cannot_be_resolved_is_not_checked():
    taken, closed = arguments_of(Unresolved)
    assert closed and taken['thing'].declared is UNKNOWN
    taken['thing'].check(object(), 'x.thing')


def test_functions_and_classes_without_a_constructor():
    def collate(batch, size: int = 1):
        pass

    assert list(arguments_of(collate)[0]) == ['batch', 'size']
    assert arguments_of(Bare) == ({}, True)
    assert arguments_of(lambda **options: None)[1] is False


def test_without_an_annotation_the_default_tells_numbers_from_text():
    def part(size=3, flag=True, name='x', thing=None):
        pass

    taken, _ = arguments_of(part)
    for name, value in (('size', 2.5), ('size', None), ('flag', 1), ('name', 3), ('thing', 'x')):
        taken[name].check(value, name)
    with pytest.raises(ValueError, match="size: '3' is text, not a number"):
        taken['size'].check('3', 'size')
    with pytest.raises(ValueError, match="flag: '' must be true or false"):
        taken['flag'].check('', 'flag')


def test_a_default_always_fits_and_null_is_told_of_it():
    def part(size: int = None, scale: float = float('inf'), depths: tuple[int, ...] = (4, 6)):  # noqa: RUF013
        pass

    taken, _ = arguments_of(part)
    taken['size'].check(None, 'size')
    taken['scale'].check(float('inf'), 'scale')
    with pytest.raises(ValueError, match=r'depths: null must be a list. Leave it out for .*\(4, 6'):
        taken['depths'].check(None, 'depths')
