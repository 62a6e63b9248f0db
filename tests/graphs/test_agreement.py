"""What makes an exported file agree with torch, and what does not."""

import numpy as np
import pytest

from irbox.graphs.agreement import DRAWS, LIMIT, compare

SIZE = (64, 48)
pytest.importorskip('skimage')


def reference(inputs):
    return inputs['input'] * 2


def agreed(engine):
    return {one.image: one.difference for one in compare(reference, {'x': engine}, {}, [SIZE])}


def test_rounding_agrees():
    assert max(agreed(lambda inputs: reference(inputs) * (1 + 1e-6)).values()) < 1e-5


def test_a_pixel_that_was_undecided_in_one_image_is_no_mistake():
    seen = []

    def engine(inputs):
        image, answer = inputs['input'], reference(inputs)
        if not any(np.array_equal(image, one) for one in seen):
            seen.append(image)
        if np.array_equal(image, seen[0]):
            answer[0, :, 3, 5] += 1
        return answer

    found = agreed(engine)
    assert set(found) == {'photograph', 'noise'} and not any(found.values())
    # The photograph was drawn once more, the noise was not.
    assert len(seen) == 3


@pytest.mark.parametrize(
    'place', [np.s_[0, 0, -1, -1], np.s_[..., -1, :], np.s_[..., :]], ids=['corner', 'row', 'all']
)
def test_what_is_wrong_in_every_image_is_wrong(place):
    draws = []

    def engine(inputs):
        draws.append(inputs['input'])
        answer = reference(inputs)
        answer[place] += 0.1
        return answer

    found = agreed(engine)
    assert min(found.values()) > 100 * LIMIT
    different = {one.tobytes() for one in draws}
    assert len(different) == (2 * DRAWS if place == np.s_[0, 0, -1, -1] else 2)


def test_another_shape_or_a_number_that_is_not_finite_never_agrees():
    assert set(agreed(lambda inputs: reference(inputs)[..., :-1]).values()) == {float('inf')}

    def engine(inputs):
        answer = reference(inputs)
        answer[0, 0, 0, 0] = np.nan
        return answer

    assert set(agreed(engine).values()) == {float('inf')}
