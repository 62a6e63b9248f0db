"""What answers the page's buttons when somebody is in a hurry."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

gr = pytest.importorskip('gradio')

from irbox.page.answers import Answers  # noqa: E402
from irbox.page.layout import build_page  # noqa: E402
from support.tiny_model import photograph  # noqa: E402

PARTS = ('files', 'model', 'device', 'tile', 'strength', 'steer', 'slider', 'status', 'beliefs')
FURTHER = ('chooser', 'beside', 'download', 'archive', 'difference', 'pair', 'other')
WORDS = ('haze', 'rain', 'noise', 'snow', 'low_light')
REQUEST = SimpleNamespace(session_hash='somebody')
CLICK = SimpleNamespace(index=(5, 5))


@pytest.fixture
def answers(desk):
    parts = {name: name for name in (*PARTS, *FURTHER, 'place', 'expert', 'overlay')}
    return Answers(desk, parts, {word: word for word in WORDS}, [])


def given(jpeg, model='tiny', **others):
    values = {'files': [jpeg], 'model': model, 'device': 'cpu', 'tile': 'none', 'strength': 1}
    values |= {'chooser': None, 'beside': 'none'}
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


def test_what_is_looked_inside_is_the_picture_that_is_there(answers, jpeg, tmp_path):
    """The chooser still says the first: of the pictures that were restored before."""
    other = tmp_path / 'other.png'
    photograph(64, 48).save(other)
    plain = given(jpeg, 'routed', steer=False)
    chosen = plain | {'chooser': answers.restore(plain, REQUEST, silent)['chooser']['value']}
    for file, size in ((jpeg, (120, 80)), (other, (64, 48))):
        answers.inside.look(chosen | {'files': [file]}, REQUEST)
        assert answers.desk.visitors.of(REQUEST.session_hash).inside.picture.size == size


def test_a_strength_that_was_moved_meanwhile_is_asked_for_again(answers, jpeg, by_command):
    plain, session = given(jpeg, steer=False), REQUEST.session_hash
    answers.restore(plain, REQUEST, silent)
    assert answers.strength(plain, REQUEST) == gr.skip()
    moved = plain | {'strength': 0.5}
    with answers.desk.visitors.working(session, fresh=False):
        assert answers.strength(moved, REQUEST) == gr.skip()
    shown = answers.strength(moved, REQUEST)
    wanted = by_command(jpeg, '--strength', '0.5')
    assert Path(shown['download']['value']).read_bytes() == wanted
    page = build_page(answers.desk, [])
    asks = [one for one in page.fns.values() if one.name == 'strength']
    behind = [page.fns[one.trigger_after].name for one in asks if one.trigger_after is not None]
    assert behind == ['restore', 'preview', 'again', 'look'] and len(asks) == 5


def test_two_models_are_each_told_in_their_own_words(answers, jpeg, monkeypatch):
    told = []
    monkeypatch.setattr('irbox.page.answers.gr.Warning', told.append)
    for model, second in (('routed', 'tiny'), ('tiny', 'routed')):
        shown = answers.restore(given(jpeg, model, beside=second, rain=1), REQUEST, silent)
        assert shown['pair']['label'] == f'{model} and {second}, side by side'
    assert not told
    # A mistake about the second hides no answer of the first.
    shown = answers.restore(given(jpeg, beside='nobody', rain=1), REQUEST, silent)
    assert shown['download']['visible'] and not shown['pair']['visible']
    assert len(told) == 1 and "no model 'nobody'" in told[0]
