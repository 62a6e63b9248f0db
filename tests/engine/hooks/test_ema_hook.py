import pytest

from irbox.engine.hooks import EMAHook


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'momentum': 0}, 'momentum=0 must lie'),
        ({'momentum': 1}, 'momentum=1 must lie'),
        ({'warm_up': -1}, 'warm_up=-1'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        EMAHook(**options)
