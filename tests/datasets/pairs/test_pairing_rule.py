import re

import pytest

from irbox.datasets.pairs.pairing_rule import last_number, pairing_rule


@pytest.mark.parametrize(
    ('name', 'number'),
    [
        ('rain-001', 1),
        ('norain-1', 1),
        ('norain-1x2', 1),
        ('norain-12X2', 12),
        ('1', 1),
        ('GOPR0372_07_00_000047', 47),
        ('rain', None),
        ('x2', None),
    ],
)
def test_last_number(name, number):
    assert last_number(name) == number


def belong(rule, degraded, clean):
    rule = pairing_rule(rule)
    return rule.degraded_key(degraded) == rule.clean_key(clean)


def test_rules():
    assert belong('same_name', 'a_1', 'a_1')
    assert not belong('same_name', 'a_1', 'a_01')
    assert belong('last_number', 'rain-001', 'norain-1')
    assert belong([r'(im_\d{4}).*', r'\1'], 'im_0001_s80_a04', 'im_0001')
    assert belong(['(.+)_rain', r'\1_clean'], '7_rain', '7_clean')
    # The whole name has to fit.
    assert pairing_rule(['(.+)_rain', r'\1_clean']).degraded_key('7_rain_2') is None


def test_an_optional_group_that_is_not_there_is_empty():
    rule = pairing_rule(['(pie-)?rd-(.+)', r'\1norain-\2'])
    assert rule.degraded_key('rd-1') == 'norain-1'
    assert rule.degraded_key('pie-rd-1') == 'pie-norain-1'


@pytest.mark.parametrize('template', [r'\2-\1', r'x\1', 'x', r'\g<1>y', r'\2\2'])
def test_templates_are_filled_as_re_fills_them(template):
    expected = re.fullmatch('(.)(.)?c', 'abc').expand(template)
    assert pairing_rule(['(.)(.)?c', template]).degraded_key('abc') == expected
    expected = re.fullmatch('(.)(.)?c', 'ac').expand(template)
    assert pairing_rule(['(.)(.)?c', template]).degraded_key('ac') == expected
