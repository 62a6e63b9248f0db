"""Each kind of file, written back with the values it had: what a second reader sees stays."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from irbox.pictures import read_picture, write_picture
from support.picture_files import KINDS, deep, photograph
from support.second_reader import CONVERTED, LOSSY, PALETTES, second_reader


def restored(name, **options):
    picture = read_picture(KINDS[name]())
    buffer = io.BytesIO()
    notes = write_picture(picture, picture.pixels, buffer, **options)
    return picture, buffer.getvalue(), notes


@pytest.mark.parametrize('name', KINDS)
def test_format_size_and_depth_stay(name):
    data = KINDS[name]()
    picture, written, _ = restored(name)
    before, after = second_reader(name, data), second_reader(name, written)
    assert written[:2] == data[:2] or name.startswith('tiff')
    assert picture.pixels.shape == (48, 64, 3)
    if name in CONVERTED:
        assert after.shape[:2] == before.shape[:2]
        return
    if name == 'tiff-rgb16-planar':
        before = before.transpose(1, 2, 0)
    assert after.dtype == before.dtype
    assert after.shape == before.shape
    if not name.startswith(LOSSY):
        np.testing.assert_array_equal(after, before)
    else:
        assert np.abs(after.astype(int) - before).mean() < 2


@pytest.mark.parametrize('name', KINDS)
def test_only_conversions_are_noted(name):
    picture, _, notes = restored(name)
    if name in CONVERTED:
        assert any(CONVERTED[name] in note for note in picture.notes)
    else:
        assert picture.notes == []
    assert bool(notes) == (name in PALETTES), notes
    assert all(note.endswith('.') and '\n' not in note for note in [*picture.notes, *notes])


@pytest.mark.parametrize('name', [n for n in KINDS if '16' in n])
def test_sixteen_bits_are_read_as_they_stand(name):
    picture = read_picture(KINDS[name]())
    expected = np.repeat(deep()[..., 1:2], 3, axis=2) if picture.gray else deep()
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, expected)


@pytest.mark.parametrize('name', ['jpeg-cmyk', 'tiff-cmyk', 'png-palette', 'gif'])
def test_converted_colors_are_near_the_photograph(name):
    picture = read_picture(KINDS[name]())
    assert np.abs(picture.pixels.astype(int) - photograph()).mean() < 12
    assert not picture.gray


@pytest.mark.parametrize('name', [n for n in KINDS if 'animation' in n or n == 'apng'])
def test_first_frame_is_kept(name):
    picture, written, _ = restored(name)
    assert np.abs(picture.pixels.astype(int) - photograph()).mean() < 5
    assert getattr(Image.open(io.BytesIO(written)), 'n_frames', 1) == 1


@pytest.mark.parametrize('name', [n for n in KINDS if n.startswith('jpeg') and 'cmyk' not in n])
def test_jpeg_keeps_tables_subsampling_and_progression(name):
    before = Image.open(io.BytesIO(KINDS[name]()))
    after = Image.open(io.BytesIO(restored(name)[1]))
    assert after.quantization == before.quantization
    assert after.layer == before.layer
    assert after.info.get('progressive') == before.info.get('progressive')


@pytest.mark.parametrize('name', [n for n in KINDS if n.startswith('tiff')])
def test_tiff_keeps_its_compression(name):
    def compression(data):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return int(file.pages[0].compression)

    assert compression(restored(name)[1]) == compression(KINDS[name]())


def test_webp_lossless_stays_lossless_and_lossy_lossy():
    assert b'VP8L' in restored('webp-lossless')[1][:40]
    assert b'VP8L' not in restored('webp-lossy')[1]
