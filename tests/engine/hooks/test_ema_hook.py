import pytest

from irbox.registry import HOOKS


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'momentum': 0}, 'momentum: 0 must be a number above 0 and below 1'),
        ({'momentum': 1}, 'momentum: 1 must be a number above 0 and below 1'),
        ({'warm_up': -1}, 'warm_up: -1 must'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        HOOKS.build({'type': 'EMAHook', **options})
