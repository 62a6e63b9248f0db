"""What answers the page's buttons when somebody is in a hurry."""

import threading
import time
from types import SimpleNamespace

import pytest

gr = pytest.importorskip('gradio')

from irbox.page.answers import Answers  # noqa: E402

PARTS = ('files', 'model', 'device', 'tile', 'strength', 'steer', 'slider', 'status', 'beliefs')
WORDS = ('haze', 'rain', 'noise')
REQUEST = SimpleNamespace(session_hash='somebody')
CLICK = SimpleNamespace(index=(5, 5))


@pytest.fixture
def answers(desk):
    parts = {name: name for name in (*PARTS, 'place', 'expert', 'overlay')}
    return Answers(desk, parts, {word: word for word in WORDS}, [])


def given(jpeg, model='tiny', **others):
    values = {'files': [jpeg], 'model': model, 'device': 'cpu', 'tile': 'none', 'strength': 1}
    return values | dict.fromkeys(WORDS, 0) | {'steer': True} | others


def silent(*_, **__):
    pass


def test_bars_that_say_nothing_yet_change_nothing(answers, jpeg):
    """Whoever ticks the box has moved no bar, and whoever types a number erases one first."""
    answers.preview(given(jpeg, steer=False), CLICK, REQUEST, silent)
    assert answers.again(given(jpeg), REQUEST, silent) == gr.skip()
    assert answers.again(given(jpeg, rain=None), REQUEST, silent) == gr.skip()
    moved = answers.again(given(jpeg, rain=1, haze=None), REQUEST, silent)
    assert moved['beliefs']['value'] == {'haze': 0, 'rain': 1, 'noise': 0}


def test_a_mistake_is_told_and_no_error(answers, jpeg, monkeypatch):
    """A browser forgets what waits behind an error: here the next bar that was moved."""
    told = []
    monkeypatch.setattr('irbox.page.answers.gr.Warning', told.append)
    answers.preview(given(jpeg, steer=False), CLICK, REQUEST, silent)
    assert answers.again(given(jpeg, rain=1, tile='huge'), REQUEST, silent) == gr.skip()
    assert len(told) == 1 and 'huge' in told[0]


def test_a_part_that_was_cancelled_is_no_error(answers, jpeg):
    desk, shown = answers.desk, []
    slow = given(jpeg, 'slow', steer=False)
    with desk.turns.turn('cpu'):
        waiting = threading.Thread(
            target=lambda: shown.append(answers.preview(slow, CLICK, REQUEST, silent))
        )
        waiting.start()
        while desk.turns.lengths()['cpu'] < 2:
            time.sleep(0.01)
        assert answers.cancel(REQUEST) == 'Cancelled.'
        waiting.join(10)
    assert shown == [gr.skip()]
    assert desk.visitors.of(REQUEST.session_hash).part is None
