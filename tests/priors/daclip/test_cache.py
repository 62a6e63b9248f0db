"""The folder itself; ``test_daclip_cache.py`` has the prior that uses it."""

import pytest
import torch

from irbox.priors.daclip.cache import FIELDS, PriorCache
from irbox.structures import DegradationPrior


class Describe:
    """Counts the images that it is asked for, and tells their means."""

    def __init__(self):
        self.asked = []

    def __call__(self, image):
        self.asked.append(len(image))
        means = image.mean((2, 3))
        return DegradationPrior(means, means.softmax(1), 2 * means)


@pytest.fixture
def images():
    return torch.rand(3, 3, 4, 5)


def test_each_image_is_described_once_and_in_its_place(tmp_path, images):
    cache, describe = PriorCache(tmp_path / 'new', {'words': ['haze']}), Describe()
    cache.look_up(images[1:2], describe)
    found = cache.look_up(images, describe)
    again = PriorCache(tmp_path / 'new', {'words': ['haze']}).look_up(images.flip(0), describe)
    assert describe.asked == [1, 2]
    wanted = Describe()(images)
    for name in FIELDS:
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name))
        assert getattr(again, name).equal(getattr(found, name).flip(0))
    twice = cache.look_up(torch.cat([images, images]), describe)
    assert twice.features.equal(torch.cat([found.features] * 2)) and describe.asked == [1, 2]


def test_names_depend_on_values_shape_and_what_else_decides(tmp_path, images):
    one = PriorCache(tmp_path, {'words': ['haze'], 'size': 224})
    same = PriorCache(tmp_path, {'size': 224, 'words': ['haze']})
    other = PriorCache(tmp_path, {'words': ['rain'], 'size': 224})
    image = images[0]
    strided = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    changed = image.clone()
    changed[0, 0, 0] += 1e-3
    assert one.key(image) == same.key(image) == one.key(strided)
    keys = [one.key(image), other.key(image), one.key(changed), one.key(image.reshape(3, 5, 4))]
    assert len(set(keys)) == 4


def test_a_damaged_entry_is_made_anew(tmp_path, images):
    cache, describe = PriorCache(tmp_path, {}), Describe()
    first = cache.look_up(images[:1], describe)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.load(file.stem) is None and cache.load('none') is None
    assert cache.look_up(images[:1], describe).content.equal(first.content)
    assert describe.asked == [1, 1] and cache.load(file.stem) is not None


def test_a_folder_that_cannot_be_written(tmp_path, images):
    (tmp_path / 'file').touch()
    cache = PriorCache(tmp_path / 'file', {})
    with pytest.raises(ValueError, match='cache folder .*file cannot be written .* or to None'):
        cache.look_up(images, Describe())
