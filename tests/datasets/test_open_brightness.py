"""The brightness of an image file: what the image shows, for less time and with no less care."""

import random

import numpy as np
import pytest
from PIL import Image

from irbox.datasets import image_store
from irbox.datasets.photographs import photograph
from irbox.datasets.read_image import BadImageError, open_brightness, open_image
from support.bad_images import REFUSED, TAKEN, specials
from support.lossless_jpeg import lossless_jpeg
from support.picture_files import photograph as small_photograph
from support.picture_files import saved


def gray(path):
    return np.asarray(open_image(path).convert('L'), np.int16)


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(content, suffix='.jpg'):
        path = tmp_path / f'image{suffix}'
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize('name', TAKEN)
def test_it_is_that_of_the_image(name, file):
    path = file(TAKEN[name](), '.png')
    image, expected = open_brightness(path), gray(path)
    assert image.mode == 'L'
    # A JPEG file holds the brightness itself; as colors it is rounded, and cut off at 0 and 255
    assert abs(np.asarray(image, np.int16) - expected).mean() < 1
    if not path.read_bytes().startswith(b'\xff\xd8'):
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'keep_rgb': True}])
def test_the_colors_of_a_jpeg_file_are_not_decoded(monkeypatch, options, file):
    path = file(saved(photograph('coffee').image, 'JPEG', **options))
    expected = gray(path)
    monkeypatch.setattr(Image.Image, 'convert', None)  # whoever decodes them has to convert them
    image = open_brightness(path)
    assert image.mode == 'L' and abs(np.asarray(image, np.int16) - expected).max() < 40
    assert abs(np.asarray(image, np.int16) - expected).mean() < 1


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('trick', ['plain', 'filled'])
def test_a_lossless_jpeg_file(channels, trick, file):
    """Pillow refuses its brightness, and writes behind its memory where it is to be smaller."""
    values = small_photograph()[..., :channels] // 2
    content = lossless_jpeg(values)
    if trick == 'filled':  # A marker may have any number of these before it.
        content = content.replace(b'\xff\xc3', b'\xff\xff\xff\xc3')
    path = file(content)
    assert (np.asarray(open_image(path)) == values).all()
    np.testing.assert_array_equal(open_brightness(path), gray(path))


def test_a_very_long_file_is_decoded_as_it_is(monkeypatch, file):
    path = file(saved(photograph('coffee').image, 'JPEG'))
    monkeypatch.setattr(image_store, '_LONGEST', 1000)
    np.testing.assert_array_equal(open_brightness(path), gray(path))


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_refused_is_refused_alike(name, file):
    content, suffix, _ = REFUSED[name]
    path = file(content(), suffix)
    with pytest.raises(BadImageError) as expected:
        open_image(path)
    with pytest.raises(BadImageError) as found:
        open_brightness(path)
    assert str(found.value) == str(expected.value)


def test_what_is_no_regular_file_never_hangs(tmp_path):
    for name, reason in specials(tmp_path).items():
        with pytest.raises(BadImageError, match=reason):
            open_brightness(tmp_path / name)


def test_damage_is_found_as_in_the_whole_image(file):
    """Wherever bytes are changed or cut off: what one refuses the other does."""
    rng, refused = random.Random(0), 0
    images = [Image.fromarray(small_photograph()), Image.fromarray(small_photograph()[..., 0])]
    contents = [
        saved(one, 'JPEG', **more) for one in images for more in ({}, {'progressive': True})
    ]
    for number in range(400):
        content = bytearray(contents[number % 4])
        for _ in range(rng.choice((1, 1, 4))):
            content[rng.randrange(len(content))] = rng.choice((0, 255, rng.randrange(256)))
        if number % 5 == 0:
            del content[rng.randrange(len(content)) :]
        path, bad = file(bytes(content)), []
        for read in (open_image, open_brightness):
            try:
                read(path)
            except BadImageError:
                bad.append(read)
        assert len(bad) != 1
        refused += len(bad) // 2
    assert 50 < refused < 350
