import numpy as np
import pytest
import torch

from irbox.layers.strips import is_watched
from irbox.networks.restore_tiled import Box
from irbox.restore.arrays import Pixels
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.options import Options
from irbox.restore.report import Report
from irbox.restore.restore_pixels import Picture, restore_pixels
from irbox.structures import Routing
from support.tiny_model import tiny_model

BOX = Box((2, 6), (1, 5))


class Runner:
    """Gives white where it is told of a steering, else black; counts its calls."""

    calls = 0

    def __call__(self, tile, context):
        self.calls += 1
        return torch.full_like(tile, float(context == 'steered'))


def picture(values=None, mask=None, steered=None, steer_mask=None):
    values = np.full((8, 8, 3), 51, np.uint8) if values is None else values
    return Picture(Pixels(values, None), Runner(), 'own', steered, mask, steer_mask)


def part(inside, outside=0):
    made = np.full((8, 8), outside, np.uint8)
    made[2:6, 1:5] = inside
    return made


@pytest.mark.parametrize(
    ('options', 'calls', 'value'),
    [
        ({}, 1, 0),
        ({'mask': part(1)}, 1, 0),
        ({'mask': part(0, 255)}, 0, 0.2),
        ({'values': np.dstack([np.full((8, 8, 3), 51, np.uint8), part(0, 255)])}, 0, 0.2),
        ({'steered': 'steered'}, 1, 1),
        ({'steered': 'steered', 'steer_mask': part(255)}, 1, 1),
        ({'steered': 'steered', 'steer_mask': part(0, 255)}, 1, 0),
        ({'steered': 'steered', 'steer_mask': part(51)}, 2, 0.2),
    ],
)
def test_a_tile_is_computed_as_often_as_it_is_needed(options, calls, value):
    given = picture(**options)
    answer = given.restore(BOX)
    assert answer.shape == (3, 4, 4) and given.runner.calls == calls
    torch.testing.assert_close(answer, torch.full((3, 4, 4), float(value)))


def test_what_is_to_stay_stays_to_the_bit_and_masks_fade():
    values = np.full((8, 8, 4), 0.5, np.float32)
    values[..., 3] = 1
    values[0, 0, 3], values[0, 1, 1], values[0, 2, 2] = 0, 1.5, -0.25
    mask = np.full((8, 8), 255, np.uint8)
    mask[0, 3], mask[0, 4] = 0, 51
    given = picture(values, mask)
    out = np.empty_like(values)
    for top in (0, 3):
        given.finish(out, top, torch.ones(3, 8 if top == 3 else 3, 8)[:, : 5 if top else 3])
    np.testing.assert_array_equal(out[0, :4], values[0, :4])
    np.testing.assert_allclose(out[0, 4, :3], 0.5 + 0.2 * 0.5, rtol=1e-6)
    np.testing.assert_array_equal(out[1:, :, :3], 1)
    np.testing.assert_array_equal(out[..., 3], values[..., 3])


def test_progress_counts_tiles_and_the_report_tells_what_was_believed(monkeypatch):
    model = tiny_model()
    monkeypatch.setattr(model, 'memory_need', lambda context: MemoryNeed(0, 1000))
    values = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    report, told = Report((40, 70), 0.0, 'cpu', 'fp32'), []
    pixels = Pixels(values, lambda one: one)
    out = restore_pixels(model, pixels, Options(tile=32, overlap=8), report, told.append)
    assert out.shape == values.shape and out.dtype == np.uint8
    count = len(told)
    assert told == pytest.approx([(i + 1) / count for i in range(count)]) and count > 1
    assert sum(report.degradations.values()) == pytest.approx(1, abs=0.01)
    assert list(report.degradations) and set(report.degradations) <= {'haze', 'rain', 'noise'}


class Router(torch.nn.Module):
    """Sends all pixels to the first of two experts."""

    def forward(self, image):
        weights = torch.zeros(1, 2, *image.shape[-2:])
        weights[:, 0] = 1
        return Routing(weights, torch.ones(2))


class Looking(torch.nn.Module):
    """Notes whether somebody listens to it."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.router, self.watched = Router(), []

    def forward(self, image, context):
        self.watched.append(is_watched([self]))
        context.record(self.router(image))
        return image


def test_only_the_first_tile_of_a_model_is_listened_to():
    model = tiny_model()
    model.engine = Looking()
    for _ in range(3):
        values = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        report = Report((24, 32), 0.0, 'cpu', 'fp32')
        restore_pixels(model, Pixels(values, lambda one: one), Options(), report)
        assert report.experts == {'router': [1, 0]}
    assert model.engine.watched == [True, False, False]
    model.compute_by(Looking(), 'other', MemoryNeed(0, 1), torch.float32, 'fp32')
    assert model.routing_places is None, 'another engine may route elsewhere'
