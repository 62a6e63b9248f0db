import pytest

from irbox.datasets.pairs.schema import as_list, check_rule_values, is_list, is_whole

GOOD_AND_WRONG = {
    'set': (['rain100l'], ['', 3, ['a']]),
    'input': (['a'], [True, ['a']]),
    'inside': (['a', ['a', 'b']], [[], [''], 3]),
    'label': (['rain', [['a.*', 'b'], ('c', 'd')], []], ['', ['a'], [['a', 1]], {'a': 'b'}]),
    'pairing': (['same_name', ['same_name', ['(.*)', 'b']]], [[], 3, {}]),
    'choices': (
        [{'x': ['a']}, {'x': {'a': 'b'}}],
        [['a'], {'x': 'a'}, {'x': [1]}, {'x': {'a': 1}}],
    ),
    'exclude_ids': (
        [{'first': 1, 'last': 1}, {'first': 1, 'last': 2, 'pattern': '(.*)'}],
        [
            {'first': 2, 'last': 1},
            {'first': 1},
            {'first': True, 'last': 1},
            {'first': 1, 'last': 2, 'x': 0},
        ],
    ),
    'only': (['a', ['a', 'b'], []], [3, [''], {'a': 1}]),
    'exclude_copies_of': (['a', ['a'], []], [3, [None]]),
}


@pytest.mark.parametrize('key', GOOD_AND_WRONG)
def test_values_that_a_key_holds_and_does_not(key):
    good, wrong = GOOD_AND_WRONG[key]
    for value in (*good, None):
        check_rule_values({key: value, 'of no rule': object()})
    for value in wrong:
        with pytest.raises(ValueError) as caught:
            check_rule_values({key: value}, 'source a: ')
        assert str(caught.value).startswith(f'source a: {key}={value!r} must be ')


def test_what_counts_as_a_list_and_as_a_number():
    assert is_list([]) and is_list(('a',)) and not is_list('ab') and not is_list({'a': 1})
    assert is_whole(0) and not is_whole(False) and not is_whole(1.0)
    assert as_list('ab') == ['ab'] and as_list(('a', 'b')) == ['a', 'b'] and as_list(None) == [None]
