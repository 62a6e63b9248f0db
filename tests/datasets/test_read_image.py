import numpy as np
import pytest
from PIL import Image

from irbox.datasets.read_image import read_image


def save(path, mode, value, size=(5, 4)):
    Image.new(mode, size, value).save(path)
    return path


def test_colours_stay_in_order(tmp_path):
    image = read_image(save(tmp_path / 'a.png', 'RGB', (200, 100, 50)))
    assert image.shape == (4, 5, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [200, 100, 50]


def test_transparency_is_dropped_and_grey_repeated(tmp_path):
    rgba = read_image(save(tmp_path / 'a.png', 'RGBA', (200, 100, 50, 0)))
    assert rgba[0, 0].tolist() == [200, 100, 50]
    assert read_image(save(tmp_path / 'b.png', 'L', 7))[0, 0].tolist() == [7, 7, 7]
    assert read_image(save(tmp_path / 'c.png', 'LA', (7, 0)))[0, 0].tolist() == [7, 7, 7]
    assert read_image(save(tmp_path / 'd.png', 'P', 0)).shape == (4, 5, 3)
    assert read_image(save(tmp_path / 'e.png', '1', 1))[0, 0].tolist() == [255, 255, 255]


def test_mistakes_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nope\.png does not exist'):
        read_image(tmp_path / 'nope.png')
    text = tmp_path / 'text.png'
    text.write_text('no image')
    with pytest.raises(ValueError, match=r'text\.png cannot be read'):
        read_image(text)
    cut = save(tmp_path / 'cut.png', 'RGB', (1, 2, 3), (300, 300))
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:50_000])
    with pytest.raises(ValueError, match=r'cut\.png cannot be read'):
        read_image(cut)
    with pytest.raises(ValueError, match='more than 8 bits'):
        read_image(save(tmp_path / 'deep.png', 'I;16', 3000))
