import numpy as np
import pytest
from PIL import Image

from irbox.pictures import read_picture
from irbox.restore.arrays import Pixels
from irbox.restore.report import Report
from irbox.restore.restoration import ROWS, Restoration, check_strength


def restoration(dtype=np.uint8, picture=None, size=(ROWS + 3, 5, 3), **options):
    white = 1 if np.dtype(dtype).kind == 'f' else np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    given, answer = ((rng.random(size) * white).astype(dtype) for _ in range(2))
    report = Report(size[:2], 0.0, 'cpu', 'fp32')
    return Restoration(
        Pixels(given, lambda values: values), answer, report, picture=picture, **options
    )


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize('strength', [0, 0.3, 1, 1.0])
def test_a_strength_mixes_as_in_exact_arithmetic(dtype, strength):
    made = restoration(dtype)
    found = made.at(strength)
    given, answer = made.source.values.astype(np.float64), made.values.astype(np.float64)
    wanted = given + strength * (answer - given)
    assert found.dtype == dtype and found.shape == given.shape
    if np.dtype(dtype).kind == 'f':
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    else:
        # float32 rounds what lies halfway to either side.
        assert np.abs(found - wanted).max() <= 0.5 + 0.01
    if strength == 1:
        assert np.array_equal(found, made.values)


def test_no_strength_is_the_image_as_it_was_and_image_is_at_its_own_strength():
    made = restoration(strength=0.25)
    assert np.array_equal(made.at(0), made.source.values)
    assert np.array_equal(made.image, made.at(0.25))


@pytest.mark.parametrize('strength', [-0.1, 1.1, True, '1', None, float('nan')])
def test_what_is_no_strength(strength):
    with pytest.raises(ValueError, match=r'^strength=.* must be a number from 0 .as it was. to 1'):
        restoration().at(strength)
    with pytest.raises(ValueError):
        check_strength(strength)


def test_a_file_is_written_at_its_strength_and_an_array_is_not(tmp_path):
    picture = read_picture(Image.new('RGB', (5, 6)))
    made = restoration(picture=picture, size=(6, 5, 3), strength=0.5)
    assert made.save(tmp_path / 'a.png') == []
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'a.png')), made.at(0.5))
    with pytest.raises(ValueError, match='Only a picture that was read from a file is saved'):
        restoration().save(tmp_path / 'b.png')
    assert not (tmp_path / 'b.png').exists()
