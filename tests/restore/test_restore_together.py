import io

import numpy as np
import pytest

from irbox.pictures import read_picture
from irbox.restore.options import Options
from irbox.restore.restore_together import restore_together
from support.tiny_model import photograph, tiny_model

NOTE = 'restored in one batch of 3'


@pytest.fixture(scope='module')
def model():
    return tiny_model()


@pytest.fixture(scope='module')
def pictures():
    return [read_picture(photograph().rotate(90 * number, expand=False)) for number in range(3)]


def test_a_batch_is_what_each_is_alone(model, pictures):
    answers = restore_together(model, pictures, Options())
    for picture, answer in zip(pictures, answers, strict=True):
        alone = model.run(picture)
        difference = np.abs(answer.values.astype(int) - alone.values)
        assert difference.max() <= 1 and (difference > 0).mean() < 0.01
        assert (answer.values != picture.pixels).any()
        assert NOTE in answer.report.notes
        assert answer.report.degradations == pytest.approx(alone.report.degradations, abs=2e-4)
        assert answer.report.tile == alone.report.tile


@pytest.mark.parametrize(
    'options',
    [Options(tile=32), Options(task='rain'), Options(self_ensemble=True), Options(strength=0.5)],
    ids=['tiles', 'told', 'ensemble', 'strength'],
)
def test_what_each_needs_of_its_own(model, pictures, options):
    answers = restore_together(model, pictures, options)
    together = options.strength != 1
    for picture, answer in zip(pictures, answers, strict=True):
        alone = model.run(picture, options)
        assert (NOTE in answer.report.notes) == together
        difference = np.abs(answer.at(options.strength).astype(int) - alone.at(options.strength))
        assert difference.max() <= int(together)


def test_one_of_a_batch_that_fails(model, pictures, monkeypatch):
    def run(picture, options):
        if picture is pictures[1]:
            raise FloatingPointError('broken')
        return picture

    def fail(image):
        raise RuntimeError('no memory')

    monkeypatch.setattr(model, 'run', run)
    monkeypatch.setattr(model.network, 'describe', fail)
    first, second, third = restore_together(model, pictures, Options())
    assert first is pictures[0] and third is pictures[2]
    assert isinstance(second, FloatingPointError)


def test_alpha_stays(model):
    content = io.BytesIO()
    image = photograph().convert('RGBA')
    image.putalpha(100)
    image.save(content, 'PNG')
    two = [read_picture(content.getvalue())] * 2
    for answer in restore_together(model, two, Options()):
        assert not any('batch' in note for note in answer.report.notes)
