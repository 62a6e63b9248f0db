"""Copies look alike and other images do not; the nearest look is found as the obvious way does."""

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from irbox.datasets import looks as module
from irbox.datasets.looks import look_of, nearest
from irbox.datasets.photographs import photograph
from irbox.engine.check_leaks import ALIKE

NAMES = ('astronaut', 'coffee', 'rocket', 'motorcycle', 'chelsea')


@pytest.fixture(scope='module')
def pictures():
    return [photograph(name).image for name in NAMES]


def bits(one, other):
    """The obvious way."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def apart(one, other):
    return bits(look_of(one), look_of(other))


def changed(look, number, seed):
    """A look of which some bits are changed."""
    which = np.random.default_rng(seed).permutation(256)[:number]
    mask = sum(1 << int(bit) for bit in which)
    return (int.from_bytes(look) ^ mask).to_bytes(32)


@pytest.fixture(scope='module')
def many():
    """Looks at random, near copies of some, the opposite of one and one that comes twice."""
    rng = np.random.default_rng(0)
    own = [rng.bytes(32) for _ in range(40)]
    near = [changed(own[n], number, n) for n, number in enumerate((0, 1, 39, 40, 41, 80, 127))]
    return own, [*(rng.bytes(32) for _ in range(30)), *near, changed(own[20], 256, 0), own[9]]


@pytest.mark.parametrize('pairs', [1, 100, 2**16])
@pytest.mark.parametrize('most', [0, 40, 127])
def test_the_nearest_is_that_of_the_obvious_way(monkeypatch, many, pairs, most):
    monkeypatch.setattr(module, '_PAIRS', pairs)
    for ours, theirs in (many, many[::-1], (many[0], many[0]), (many[0][:1], many[1][:1])):
        found = nearest(ours, theirs, most)
        assert found.shape == (len(ours),)
        for look, number in zip(ours, found, strict=True):
            counts = [bits(look, other) for other in theirs]
            assert number == (counts.index(min(counts)) if min(counts) <= most else -1)


def test_none_is_near_none():
    assert nearest([], [bytes(32)], 40).tolist() == []
    assert nearest([bytes(32)], [], 40).tolist() == [-1]


def test_only_halves_that_are_near_are_compared_further(monkeypatch):
    """What keeps the comparison of millions of pairs short."""
    compared = []
    plain = module._differing
    monkeypatch.setattr(
        module, '_differing', lambda *both: compared.append(plain(*both)) or compared[-1]
    )
    rng = np.random.default_rng(0)
    ours, theirs = ([rng.bytes(32) for _ in range(300)] for _ in range(2))
    nearest([*ours, theirs[5]], theirs, 40)
    assert sum(one.size for one in compared) <= 303 * 300


def test_the_frequencies_are_those_of_the_whole_transform(pictures):
    for picture in pictures:
        small = picture.convert('L').resize((64, 64), Image.Resampling.BOX)
        waves = dctn(np.asarray(small, np.float64))[:16, :16].ravel()
        waves[0] = 0
        expected = np.packbits(waves > np.median(waves)).tobytes()
        assert look_of(small) == expected and apart(picture, small) <= 4


def test_different_photographs_are_far_apart(pictures):
    found = [apart(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(found) > 2 * ALIKE


@pytest.mark.parametrize('scale', [0.3, 0.5, 2])
def test_resized_copies_look_alike(pictures, scale):
    for picture in pictures:
        size = [round(scale * side) for side in picture.size]
        assert apart(picture, picture.resize(size, Image.Resampling.BICUBIC)) <= ALIKE


@pytest.mark.parametrize('kind', ['jpg', 'webp'])
def test_copies_written_anew_look_alike(tmp_path, pictures, kind):
    for picture in pictures:
        picture.save(tmp_path / f'copy.{kind}', quality=30)
        with Image.open(tmp_path / f'copy.{kind}') as copy:
            assert apart(picture, copy) <= ALIKE


def test_one_color_looks_like_nothing():
    assert look_of(Image.new('RGB', (40, 30), (9, 90, 200))) == b''


def test_how_much_an_image_has_to_show():
    down = np.repeat(np.sin(np.arange(64) / 9)[:, None] * 5 * 2**0.5, 64, axis=1)
    image = Image.fromarray((down + 100).round().astype(np.uint8))
    assert look_of(image) and not look_of(image, least=6) and len(look_of(image, least=4)) == 32
