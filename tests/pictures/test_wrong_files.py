"""What is no picture, or not one that can be read: one sentence each, naming file and remedy."""

import io
import os
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from irbox.pictures import read_picture
from support.picture_files import KINDS, deep, mask, photograph, png_chunk, saved, tiff


def message(path, data, **options):
    path.write_bytes(data)
    with pytest.raises(ValueError) as caught:
        read_picture(path, **options)
    text = str(caught.value)
    assert str(path) in text
    assert '\n' not in text
    assert text.endswith('.')
    return text


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_picture(tmp_path / 'no.png')


def test_folder_and_pipe(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    with pytest.raises(ValueError, match='no regular file'):
        read_picture(tmp_path / 'pipe.png')
    with pytest.raises(ValueError, match='is a folder'):
        read_picture(tmp_path)


def test_empty_file_and_renamed_text(tmp_path):
    assert '0 bytes' in message(tmp_path / 'a.png', b'')
    assert 'no picture of a known format' in message(tmp_path / 'a.jpg', b'Dear Sir or Madam,\n')


def test_postscript_under_a_picture_s_name_starts_no_program(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, 'Ghostscript', lambda *a, **k: pytest.fail('started'))
    data = saved(photograph(), 'EPS')
    assert 'no picture of a known format' in message(tmp_path / 'a.png', data)


@pytest.mark.filterwarnings('ignore::UserWarning:PIL')
# Of the others the first picture is whole.
@pytest.mark.parametrize(
    'name', [one for one in KINDS if one not in ('tiff-pages', 'gif-animation')]
)
def test_truncated_file(name, tmp_path):
    data = KINDS[name]()
    if name.startswith('avif') or 'palette' in name or 'bilevel' in name:
        data = data[: len(data) // 3]
    message(tmp_path / f'{name}.img', data[: len(data) * 2 // 3])


@pytest.mark.parametrize('name', ['png-rgb16', 'png-rgb8'])
def test_damaged_chunk(name, tmp_path):
    data = bytearray(KINDS[name]())
    data[len(data) // 2] ^= 255
    message(tmp_path / 'a.png', bytes(data))


def test_too_many_pixels(tmp_path):
    small = KINDS['png-rgb8']()
    assert 'at most 0.0 are allowed. Raise max_pixels' in message(
        tmp_path / 'a.png', small, max_pixels=1000
    )
    header = np.array([40000, 40000], dtype='>u4').tobytes() + b'\x08\x02\0\0\0'
    bomb = small[:8] + png_chunk(b'IHDR', header) + small[33:]
    assert '1600.0 megapixels' in message(tmp_path / 'b.png', bomb)


def test_the_global_limit_of_pillow_stays():
    before = Image.MAX_IMAGE_PIXELS
    read_picture(KINDS['png-rgb8'](), max_pixels=10**9)
    assert before == Image.MAX_IMAGE_PIXELS


def test_text_that_unpacks_to_gigabytes(tmp_path):
    import zlib

    small = KINDS['png-rgb8']()
    content = b'Title\0\0' + zlib.compress(bytes(1 << 26), 9)
    message(tmp_path / 'a.png', small[:33] + png_chunk(b'zTXt', content) + small[33:])


@pytest.mark.parametrize(
    ('name', 'start'),
    [
        ('a.cr2', b'II*\0\x10\0\0\0CR\2\0'),
        ('a.raf', b'FUJIFILMCCD-RAW '),
        ('a.nef', b'MM\0*\0\0\0\b'),
    ]
    + [('a.cr3', b'\0\0\0\x18ftypcrx '), ('a.DNG', b'II*\0'), ('a.rw2', b'IIU\0')],
)
def test_camera_raw_is_one_sentence(name, start, tmp_path):
    assert 'camera raw file' in message(tmp_path / name, start + bytes(100))


@pytest.mark.parametrize('values', [np.zeros((4, 4), np.uint32), np.zeros((4, 4, 3), np.uint32)])
def test_kinds_of_values_that_are_not_read(values, tmp_path):
    values = values + np.uint32(70000)
    photometric = 'rgb' if values.ndim == 3 else 'minisblack'
    message(tmp_path / 'a.tif', tiff(values, photometric=photometric))


def test_decoders_of_the_extra_are_named(tmp_path, monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(f'No module named {name!r}')

    monkeypatch.setattr(importlib, 'import_module', missing)
    heic = b'\0\0\0\x18ftypheic' + bytes(64)
    assert "pip install 'irbox[formats]'" in message(tmp_path / 'a.heic', heic)
    assert "pip install 'irbox[formats]'" in message(tmp_path / 'a.jxl', b'\xff\x0a' + bytes(64))


@pytest.mark.filterwarnings('ignore::UserWarning:PIL')
def test_damaged_metadata_never_costs_the_picture():
    exif = b'Exif\0\0II*\0\x08\0\0\0' + b'\xff' * 40
    data = saved(photograph(), 'JPEG', exif=exif, xmp=b'<x:xmpmeta broken')
    from irbox.pictures import write_picture

    picture = read_picture(data)
    buffer = io.BytesIO()
    notes = picture.notes + write_picture(picture, picture.pixels, buffer)
    assert any('EXIF' in note for note in notes)
    assert any('XMP' in note for note in notes)
    assert Image.open(buffer).size == (64, 48)


def test_sources_of_every_kind_agree(tmp_path):
    data = KINDS['png-rgba8']()
    path = tmp_path / 'ä 名.png'
    path.write_bytes(data)
    sources = [path, str(path), data, io.BytesIO(data), Image.open(path)]
    with open(path, 'rb') as file:
        pictures = [read_picture(one) for one in [*sources, file]]
    for picture in pictures:
        np.testing.assert_array_equal(picture.pixels, photograph())
        np.testing.assert_array_equal(picture.alpha, mask())
        assert picture.format == 'PNG'
    assert len({picture.digest for picture in pictures[:4]}) == 1
    assert pictures[0].name == str(path)


def test_multiplied_colors_are_divided(tmp_path):
    alpha = np.full((48, 64), 32768, np.uint16)
    values = np.dstack([deep() // 2, alpha])
    data = tiff(values, photometric='rgb', extrasamples=['assocalpha'])
    picture = read_picture(data)
    assert np.abs(picture.pixels.astype(int) - deep()).max() <= 3
    assert 'multiplied' in picture.notes[0]
    assert tifffile.imread(io.BytesIO(data)).shape == (48, 64, 4)


def test_pages_without_end_are_not_counted_to_the_end():
    page = Image.new('L', (2, 2))
    for count, said in ((1000, '1000'), (1200, 'more than 1000')):
        data = saved(page, 'TIFF', save_all=True, append_images=[page] * (count - 1))
        assert read_picture(data).notes == [f'Only the first page of {said} was kept.']


def test_channels_without_end(tmp_path):
    values = np.zeros((4, 4, 40), np.uint16)
    data = tiff(values, photometric='minisblack', planarconfig='contig', compression='zlib')
    assert 'it has 40 channels; 16 are read at most' in message(tmp_path / 'a.tif', data)


@pytest.mark.filterwarnings('ignore:Metadata Warning:UserWarning')
@pytest.mark.parametrize('tag', [256, 257])
def test_a_tiff_whose_width_or_height_is_no_number(tmp_path, tag):
    """Of each type of its directory, none, one or several: tifffile gives what it finds."""
    data = saved(photograph(), 'TIFF')
    directory = struct.unpack_from('<L', data, 4)[0]
    (count,) = struct.unpack_from('<H', data, directory)
    places = [directory + 2 + 12 * number for number in range(count)]
    place = next(one for one in places if struct.unpack_from('<H', data, one)[0] == tag)
    refused = 0
    for kind in range(20):
        for values in (0, 1, 2, 5):
            changed = bytearray(data)
            struct.pack_into('<HL', changed, place + 2, kind, values)
            try:
                read_picture(bytes(changed))
            except ValueError as error:
                refused += 1
                assert str(error).startswith('Picture given as bytes')
    assert refused > 40
