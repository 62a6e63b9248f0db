"""Maps of experts and gates over a picture, by place and expert."""

import threading

import numpy as np
import pytest
import torch

from irbox.analysis.record import run
from irbox.page.inside import COLORS, STRONGEST, look_inside
from irbox.page.turns import Cancelled, Turns
from irbox.structures import Gate, Routing
from support.tiny_model import photograph, routed_model, tiny_model


@pytest.fixture(scope='module')
def m2ir():
    return routed_model()


def look(model, path, stop=None):
    return look_inside(model, path, Turns(2), stop or threading.Event())


def test_maps_are_what_the_parts_record(m2ir, jpeg):
    inside = look(m2ir, jpeg)
    assert inside.picture.size == (120, 80)
    image = torch.from_numpy(np.asarray(inside.picture, np.float32) / 255).permute(2, 0, 1)[None]
    found = run(m2ir.network, image)
    assert len(inside.experts) == len(found.of(Routing)) > 0
    assert len(inside.gates) == len(found.of(Gate)) > 0
    place, weights = next(iter(inside.experts.items()))
    wanted = found.of(Routing)[0].what.weights[0].numpy()
    height, width = weights.shape[1:]
    np.testing.assert_array_equal(weights, wanted[:, :height, :width])
    assert inside.places == [*inside.experts, *(f'gate: {one}' for one in inside.gates)]
    assert inside.choices(place)[0] == STRONGEST
    assert len(inside.choices(place)) == 1 + len(weights)


def test_what_is_drawn(m2ir, jpeg):
    inside = look(m2ir, jpeg)
    place, weights = next(iter(inside.experts.items()))
    drawn = {choice: np.asarray(inside.draw(place, choice)) for choice in inside.choices(place)}
    assert {one.shape for one in drawn.values()} == {(80, 120, 3)}
    gray = np.asarray(inside.picture.convert('L').convert('RGB'), float)
    color = COLORS[weights[:, 0, 0].argmax()]
    np.testing.assert_allclose(drawn[STRONGEST][0, 0], 0.45 * gray[0, 0] + 0.55 * color, atol=2)
    # An expert that nothing goes to is in the dark; where all weight is, the picture is as it was.
    before = np.asarray(inside.picture, float)
    for number, weight in enumerate(weights[:, 0, 0], 1):
        np.testing.assert_allclose(
            drawn[f'expert {number}'][0, 0], before[0, 0] * weight.clip(0, 1), atol=2
        )
    gate = next(iter(inside.gates))
    bright = np.asarray(inside.draw(f'gate: {gate}'), float)
    np.testing.assert_allclose(bright[0, 0], before[0, 0] * inside.gates[gate][0, 0, 0], atol=2)
    assert np.array_equal(np.asarray(inside.draw('nowhere')), drawn[STRONGEST])


def test_large_pictures_are_shrunk_and_padding_is_left_out(m2ir, tmp_path):
    photograph(101, 67).resize((401, 267)).save(tmp_path / 'a.png')
    inside = look(m2ir, tmp_path / 'a.png')
    width, height = inside.picture.size
    assert max(width, height) == 384
    for maps in (*inside.experts.values(), *inside.gates.values()):
        step = round(width / maps.shape[-1])
        assert maps.shape[-2:] == (-(-height // step), -(-width // step))


def test_a_network_without_either_says_so(jpeg):
    with pytest.raises(ValueError, match='tiny has neither experts nor gates'):
        look(tiny_model(), jpeg)


def test_who_waits_may_leave(m2ir, jpeg):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        look(m2ir, jpeg, stop)
