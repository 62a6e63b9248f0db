"""Copies of images are found by their look or their pixels; what was read is kept."""

import os
import sqlite3

import numpy as np
import pytest
from PIL import Image

from irbox.datasets import fingerprints as module
from irbox.datasets.fingerprints import cache_file, fingerprint, fingerprints
from irbox.datasets.photographs import photograph
from irbox.engine.check_leaks import ALIKE

NAMES = ('astronaut', 'coffee')


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f'{name}.png' for name in NAMES]
    for path in paths:
        photograph(path.stem).image.resize((60, 40)).save(path)
    return paths


@pytest.fixture
def whole(monkeypatch):
    """Names of the files that were decoded with all that is in them."""
    read = []
    plain = module.open_image
    monkeypatch.setattr(module, 'open_image', lambda path: read.append(path.name) or plain(path))
    return read


def alike(one, other):
    """Whether images are taken for copies of each other, the obvious way."""
    if not one.look or not other.look:
        return one.pixels == other.pixels != b''
    return (int.from_bytes(one.look) ^ int.from_bytes(other.look)).bit_count() <= ALIKE


def contrast(levels):
    """An image that deviates by so many gray levels when it is made small."""
    down, across = np.mgrid[:200, :280] / 40
    waves = np.sin(down + 0.3 * across**1.5) + np.cos(across * down / 4)
    return Image.fromarray((128 + levels * waves / waves.std()).round().clip(0, 255).astype('u1'))


def written(folder, image, suffix, **options):
    path = folder / f'copy{suffix}'
    image.save(path, **options)
    return path


def decoded(path):
    with Image.open(path) as image:
        return image.convert('RGB')


def test_the_same_pixels_in_another_kind_of_file(tmp_path, files):
    for suffix in ('.bmp', '.tif', '.ppm'):
        assert fingerprint(written(tmp_path, decoded(files[0]), suffix)) == fingerprint(files[0])
    other = written(tmp_path, photograph('coffee').image, '.bmp')
    assert not alike(fingerprint(other), fingerprint(files[0]))


@pytest.mark.parametrize('side', [90, 300, 1400])
@pytest.mark.parametrize('options', [{'quality': 90}, {'quality': 20, 'keep_rgb': True}])
def test_a_jpeg_file_and_a_bitmap_of_what_it_decodes_to(tmp_path, side, options):
    for name in NAMES:
        image = photograph(name).image.resize((side, side + 7))
        for mode in ('RGB', 'L', 'CMYK'):
            kept = options if mode == 'RGB' else {'quality': options['quality']}
            path = written(tmp_path, image.convert(mode), '.jpg', **kept)
            one, other = fingerprint(path), fingerprint(written(tmp_path, decoded(path), '.bmp'))
            assert one.look and alike(one, other)


@pytest.mark.parametrize('period', [2.3, 3.1, 4.7, 8.2])
@pytest.mark.parametrize('quality', [90, 30])
def test_stripes_so_fine_that_their_look_is_made_of_their_folding(tmp_path, period, quality):
    """Of a JPEG file decoded at less than its size another look would be made."""
    down, across = np.mgrid[:300, :420]
    values = 128 + 100 * np.sign(np.sin(2 * np.pi * (across + 0.4 * down) / period))
    image = Image.fromarray(values.astype(np.uint8)).convert('RGB')
    path = written(tmp_path, image, '.jpg', quality=quality)
    assert alike(fingerprint(path), fingerprint(written(tmp_path, decoded(path), '.bmp')))


@pytest.mark.parametrize('quality', [95, 40])
def test_images_that_show_next_to_nothing(tmp_path, quality):
    """Wherever the line between looks and pixels runs, both files are on the same side of it."""
    sides = set()
    for levels in (0, 0.5, 1, 1.5, 1.9, 2, 2.1, 2.5, 3, 3.5, 3.9, 4, 4.1, 5, 8):
        path = written(tmp_path, contrast(levels), '.jpg', quality=quality)
        one, other = fingerprint(path), fingerprint(written(tmp_path, decoded(path), '.png'))
        assert bool(one.look) == bool(other.look) != bool(one.pixels) and alike(one, other)
        sides.add(bool(one.look))
    assert sides == {True, False}


def test_one_color_is_not_another(tmp_path):
    red, blue = (
        fingerprint(written(tmp_path, Image.new('RGB', (40, 30), color), '.png'))
        for color in ('red', 'blue')
    )
    assert red.pixels and blue.pixels and not alike(red, blue)


def test_only_what_shows_too_little_is_decoded_with_its_colors(tmp_path, whole):
    """What 100,000 JPEG files take is what they take in gray."""
    for number in range(5):
        photograph(NAMES[number % 2]).image.rotate(number).save(tmp_path / f'{number}.jpg')
    Image.new('RGB', (40, 30)).save(tmp_path / 'black.jpg')
    found = fingerprints(sorted(tmp_path.glob('*.jpg')))
    assert len(found) == 6 and whole == ['black.jpg']


def test_a_file_that_is_decoded_only_as_trainings_do_counts(monkeypatch, files):
    expected = fingerprint(files[0])

    def refuse(path):
        raise module.BadImageError('not in gray')

    monkeypatch.setattr(module, 'open_brightness', refuse)
    assert fingerprint(files[0]) == expected


def test_what_was_read_is_not_read_again(monkeypatch, files):
    first = fingerprints(files)
    assert list(first) == files and cache_file().exists()
    for name in ('open_image', 'open_brightness'):
        monkeypatch.setattr(module, name, None)  # whoever reads now fails
    done = []
    assert fingerprints(files, done.append) == first
    assert sum(done) == 2


def test_a_changed_file_is_read_again(files):
    before = fingerprints(files)
    os.replace(files[1], files[0])
    after = fingerprints([files[0]])
    assert after[files[0]] == before[files[1]] != before[files[0]]


def test_files_that_cannot_be_read_have_none(tmp_path, files):
    (tmp_path / 'bad.png').write_bytes(b'no image')
    assert list(fingerprints([tmp_path / 'bad.png', tmp_path / 'gone.png', files[0]])) == [files[0]]


def test_many_at_once_are_the_same_as_each_alone(tmp_path):
    """Whatever stands beside it: what cannot be read, and what shows too little."""
    for number in range(150):
        path = tmp_path / f'{number:03}.png'
        if number % 4 == 3:
            path.write_bytes(b'no image')
        else:
            image = photograph(NAMES[number % 2]).image.resize((64, 40)).rotate(number)
            (image if number % 4 else image.point(lambda value: 7)).save(path)
    paths = [*sorted(tmp_path.glob('*.png')), tmp_path / 'gone.png']
    alone = {path: one for path in paths if (one := fingerprint(path)) is not None}
    assert fingerprints(paths) == alone and len(alone) == 113
    assert sum(not one.look for one in alone.values()) == 38


@pytest.mark.parametrize('spoilt', ['no folder', 'no database', 'another table'])
def test_without_a_place_to_keep_them(monkeypatch, tmp_path, files, spoilt):
    if spoilt == 'no folder':
        monkeypatch.setenv('XDG_CACHE_HOME', str(files[0]))
    else:
        cache_file().parent.mkdir(parents=True)
        if spoilt == 'no database':
            cache_file().write_text('this is no database, it is a text of some length')
        else:
            with sqlite3.connect(cache_file()) as cache:
                cache.execute('create table looks (something text)')
    assert list(fingerprints(files)) == files


@pytest.mark.parametrize('at', [1, 2])
def test_a_damaged_file_is_made_anew(monkeypatch, tmp_path, files, at):
    """Its header is whole, so that it opens; the second page is that of the table."""
    first = fingerprints(files)
    with open(cache_file(), 'r+b') as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0 if at == 1 else 4096)
        file.write(b'\xff' * (length - file.tell()))
    assert fingerprints(files) == first and not cache_file().exists()
    assert fingerprints(files) == first
    monkeypatch.setattr(module, 'open_brightness', None)  # whoever reads now fails
    assert fingerprints(files) == first


def test_what_an_earlier_version_kept_is_left_alone(files):
    cache_file().parent.mkdir(parents=True)
    kept = 'create table images (path blob primary key, length, time, pixels blob, look blob)'
    state = files[0].stat()
    row = (os.fsencode(files[0]), state.st_size, state.st_mtime_ns, bytes(16), bytes(32))
    with sqlite3.connect(cache_file()) as cache:
        cache.execute(kept)
        cache.execute('insert into images values (?, ?, ?, ?, ?)', row)
    assert fingerprints(files)[files[0]] == fingerprint(files[0])
    with sqlite3.connect(cache_file()) as cache:
        assert cache.execute('select * from images').fetchall() == [row]
        assert cache.execute('select count(*) from looks').fetchall() == [(2,)]


def test_more_files_than_are_written_down_at_once(monkeypatch, tmp_path, files):
    monkeypatch.setattr(module, 'BATCH', 2)
    monkeypatch.setattr(module, 'ASKED', 3)
    for number in range(5):
        written(tmp_path, photograph('rocket').image.rotate(9 * number), f'{number}.bmp')
    paths = sorted(tmp_path.glob('*.*'))
    first, counts = fingerprints(paths), []
    assert len(first) == 7 and len(set(first.values())) == 7
    assert fingerprints(paths, counts.append) == first and sum(counts) == 7
