"""Copies of images are found by their pixels and by their look; what was read is kept."""

import os

import pytest
from PIL import Image

from irbox.datasets import fingerprints as module
from irbox.datasets.fingerprints import cache_file, distances, fingerprint, fingerprints, look_of
from irbox.datasets.photographs import photograph

NAMES = ('astronaut', 'coffee', 'rocket', 'motorcycle', 'chelsea')
COPIES = 40
"""Bits that copies differ in at most: what ``irbox.engine.check_leaks`` takes for one."""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture(scope='module')
def pictures():
    return [photograph(name).image for name in NAMES]


@pytest.fixture
def files(tmp_path, pictures):
    paths = [tmp_path / f'{name}.png' for name in NAMES[:2]]
    for path, picture in zip(paths, pictures, strict=False):
        picture.resize((60, 40)).save(path)
    return paths


def bits(one, other):
    """The obvious way."""
    return (int.from_bytes(look_of(one)) ^ int.from_bytes(look_of(other))).bit_count()


def test_distances_equal_the_obvious_way(pictures):
    found = distances([look_of(one) for one in pictures], [look_of(one) for one in pictures[:3]])
    assert found.tolist() == [[bits(one, other) for other in pictures[:3]] for one in pictures]


def test_different_photographs_are_far_apart(pictures):
    apart = [bits(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(apart) > 2 * COPIES


@pytest.mark.parametrize('scale', [0.3, 0.5, 2])
def test_resized_copies_look_alike(pictures, scale):
    for picture in pictures:
        size = [round(scale * side) for side in picture.size]
        assert bits(picture, picture.resize(size, Image.Resampling.BICUBIC)) <= COPIES


def test_copies_written_anew_look_alike(tmp_path, pictures):
    for picture in pictures:
        picture.save(tmp_path / 'copy.jpg', quality=30)
        with Image.open(tmp_path / 'copy.jpg') as copy:
            assert bits(picture, copy) <= COPIES


def test_one_color_looks_like_nothing():
    assert look_of(Image.new('RGB', (40, 30), (9, 90, 200))) == b''


def test_the_same_pixels_in_another_kind_of_file(tmp_path, files):
    with Image.open(files[0]) as image:
        image.save(tmp_path / 'copy.bmp')
        image.crop((0, 0, 59, 40)).save(tmp_path / 'other.png')
    copy, other = (fingerprint(tmp_path / name) for name in ('copy.bmp', 'other.png'))
    assert copy == fingerprint(files[0])
    assert other.pixels != copy.pixels


def test_what_was_read_is_not_read_again(monkeypatch, files):
    first = fingerprints(files)
    assert list(first) == files and cache_file().exists()
    monkeypatch.setattr(module, 'open_image', None)  # whoever reads now fails
    done = []
    assert fingerprints(files, done.append) == first
    assert sum(done) == 2


def test_a_changed_file_is_read_again(files):
    before = fingerprints(files)
    os.replace(files[1], files[0])
    after = fingerprints([files[0]])
    assert after[files[0]].pixels == before[files[1]].pixels != before[files[0]].pixels


def test_files_that_cannot_be_read_have_none(tmp_path, files):
    (tmp_path / 'bad.png').write_bytes(b'no image')
    assert list(fingerprints([tmp_path / 'bad.png', tmp_path / 'gone.png', files[0]])) == [files[0]]


@pytest.mark.parametrize('spoilt', ['no folder', 'no database', 'another table'])
def test_without_a_place_to_keep_them(monkeypatch, tmp_path, files, spoilt):
    if spoilt == 'no folder':
        monkeypatch.setenv('XDG_CACHE_HOME', str(files[0]))
    else:
        cache_file().parent.mkdir(parents=True)
        if spoilt == 'no database':
            cache_file().write_text('this is no database, it is a text of some length')
        else:
            import sqlite3

            with sqlite3.connect(cache_file()) as cache:
                cache.execute('create table images (something text)')
    assert list(fingerprints(files)) == files
