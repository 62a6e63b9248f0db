import gc

import pytest

from irbox.utils.collector import collector_paused, collector_spared


class Knot:
    """Garbage in a circle, which only the collector finds."""

    ended = 0

    def __init__(self):
        self.self = self

    def __del__(self):
        Knot.ended += 1


@pytest.fixture(autouse=True)
def _as_before():
    assert gc.isenabled() and not gc.get_freeze_count()
    yield
    assert gc.isenabled() and not gc.get_freeze_count()


def test_nothing_is_collected_while_it_is_paused():
    before = Knot.ended
    with collector_paused():
        Knot()
        made = [[] for _ in range(10_000)]
        assert len(made) == 10_000 and Knot.ended == before
    gc.collect()
    assert Knot.ended == before + 1


def test_what_is_there_is_spared_and_what_comes_is_collected_also_inside_a_pause():
    before = Knot.ended
    with collector_paused():
        Knot()
        with collector_spared():
            assert gc.isenabled() and gc.get_freeze_count() > 0
            Knot()
            gc.collect()
            assert Knot.ended == before + 1
        assert not gc.isenabled()
    gc.collect()
    assert Knot.ended == before + 2


def test_an_inner_call_leaves_the_thawing_to_the_outer_one():
    with collector_spared():
        with collector_spared():
            pass
        assert gc.get_freeze_count() > 0


def test_nothing_is_added_to_what_others_froze():
    gc.freeze()
    count = gc.get_freeze_count()
    made = [[] for _ in range(1000)]
    with collector_spared():
        assert gc.get_freeze_count() <= count and len(made) == 1000
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_an_error_leaves_the_collector_as_it_was():
    with pytest.raises(KeyError), collector_paused(), collector_spared():
        raise KeyError
    assert gc.isenabled()
