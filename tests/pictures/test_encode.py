"""Each format as Pillow reads it."""

import io

import numpy as np
import pytest
from PIL import Image

from irbox.pictures.encode import LOSSY_QUALITY, encode
from irbox.pictures.picture import Metadata, Picture
from support.picture_files import deep, mask, photograph


def encoded(written, values=None, alpha=None, quality=None, metadata=None, **encoding):
    values = photograph() if values is None else values
    picture = Picture(values, alpha, [], 'x', '', encoding.pop('own', written), False)
    picture.encoding, notes, file = encoding, [], io.BytesIO()
    encode(file, written, values, alpha, picture, metadata or Metadata(), quality, notes)
    return file.getvalue(), notes


@pytest.mark.parametrize('values', [photograph()[..., 0], photograph(), deep()[..., 0], deep()])
def test_ppm_is_a_header_and_big_endian_values(values):
    data, _ = encoded('PPM', values[:2, :3])
    kind, largest = 'P6' if values.ndim == 3 else 'P5', np.iinfo(values.dtype).max
    head = f'{kind}\n3 2\n{largest}\n'.encode()
    assert data == head + values[:2, :3].astype(values.dtype.newbyteorder('>')).tobytes()


@pytest.mark.parametrize('gray', [False, True])
@pytest.mark.parametrize('written', ['PNG', 'TIFF', 'BMP', 'WEBP'])
def test_lossless_formats_keep_every_value_and_alpha(written, gray):
    values = photograph()[..., 1] if gray else photograph()
    for alpha in (None, mask()):
        data, notes = encoded(written, values, alpha)
        read = np.asarray(Image.open(io.BytesIO(data)).convert('RGBA'))
        colors = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
        np.testing.assert_array_equal(read[..., :3], colors)
        np.testing.assert_array_equal(read[..., 3], 255 if alpha is None else alpha)
        assert notes == []


def test_webp_is_lossless_where_the_file_was_or_nothing_else_is_asked():
    def lossless(**options):
        return b'VP8L' in encoded('WEBP', **options)[0][:40]

    assert lossless(lossless=True) and not lossless(lossless=False)
    assert lossless(own='PNG', lossless=False), "another format's encoding says nothing"
    assert not lossless(lossless=True, quality=80)


def test_a_quality_is_passed_on_and_a_known_one_taken_otherwise():
    for written in ('WEBP', 'AVIF'):
        sizes = [
            len(encoded(written, quality=one, lossless=False)[0])
            for one in (20, LOSSY_QUALITY, None)
        ]
        assert sizes[0] < sizes[1] == sizes[2]


def test_bmp_with_alpha_keeps_its_resolution():
    for alpha in (None, mask()):
        data, _ = encoded('BMP', alpha=alpha, metadata=Metadata(dpi=(300, 150)))
        assert Image.open(io.BytesIO(data)).info['dpi'] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize('gray', [False, True])
def test_gif_keeps_greys_notes_colors_and_cuts_alpha_in_two(gray):
    values = photograph()[..., 1] if gray else photograph()
    data, notes = encoded('GIF', values, metadata=Metadata(comment=b'a cat'))
    image = Image.open(io.BytesIO(data))
    assert image.info['comment'] == b'a cat' and bool(notes) != gray
    if gray:
        np.testing.assert_array_equal(np.asarray(image.convert('L')), values)
    data, _ = encoded('GIF', values, mask())
    image = Image.open(io.BytesIO(data)).convert('RGBA')
    np.testing.assert_array_equal(np.asarray(image)[..., 3], np.where(mask() < 128, 0, 255))
    opaque = np.asarray(image.convert('RGB')).astype(int)[mask() >= 128]
    wanted = values[mask() >= 128]
    assert np.abs(opaque - (wanted[:, None] if gray else wanted)).mean() < 6
