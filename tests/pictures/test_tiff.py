"""TIFF files read back by tifffile and Pillow."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from irbox.pictures.open_source import open_source
from irbox.pictures.picture import Metadata
from irbox.pictures.tiff import as_stored, read_encoding, write_tiff
from support.picture_files import KINDS, deep, deep_alpha, mask, photograph, tiff
from support.tiff_blocks import camera_block


def written(values, alpha=None, encoding=None, metadata=None):
    file, notes = io.BytesIO(), []
    write_tiff(file, values, alpha, encoding or {}, metadata or Metadata(), notes)
    return file.getvalue(), notes


@pytest.mark.parametrize(
    ('name', 'encoding'),
    [
        ('tiff-rgb8', 1),
        ('tiff-rgb8-lzw', 5),
        ('tiff-rgba8-deflate', 8),
        ('tiff-grey8-packbits', 32773),
        ('tiff-rgb16-big-endian', 1),
        ('tiff-rgb16-bigtiff', 1),
        ('png-rgb8', None),
    ],
)
def test_the_number_of_the_compression(name, encoding):
    found = read_encoding(open_source(KINDS[name]()))
    assert found == ({} if encoding is None else {'compression': encoding})


# 34661 (JBIG) is written by nobody; 7 (JPEG) and 50001 (WebP) hold no alpha and no 16 bits.
@pytest.mark.parametrize('number', [None, 1, 5, 8, 32773, 34661, 7])
@pytest.mark.parametrize('depth', [8, 16, 32])
@pytest.mark.parametrize('with_alpha', [False, True])
def test_values_and_compression_stay_or_a_note_says_so(number, depth, with_alpha):
    values, alpha = {
        8: (photograph(), mask()),
        16: (deep(), deep_alpha()),
        32: ((deep() / 65535).astype(np.float32), (deep_alpha() / 65535).astype(np.float32)),
    }[depth]
    encoding = {} if number is None else {'compression': number}
    data, notes = written(values, alpha if with_alpha else None, encoding)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        compression = int(page.compression)
        assert [int(one) for one in page.extrasamples] == ([2] if with_alpha else [])
    if compression != (number or 8):
        assert compression == 8 and len(notes) == 1
        assert notes[0].startswith(f'TIFF compression {number} was replaced by deflate')
    else:
        assert notes == []
    if compression == 7:
        assert (depth, with_alpha) == (8, False)
        return
    wanted = np.dstack([values, alpha]) if with_alpha else values
    if depth == 8:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), wanted)
    elif compression in (1, 8):
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), wanted)


def test_a_resolution_is_written_where_exif_has_none():
    data, _ = written(photograph(), metadata=Metadata(dpi=(300, 150.5)))
    assert Image.open(io.BytesIO(data)).info['dpi'] == (300, 150.5)
    metadata = Metadata(exif=camera_block('>'), dpi=(300, 150), xmp=b'<x/>', icc=b'i' * 200)
    data, _ = written(deep(), metadata=metadata)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages.first.tags
        assert tags.valueof(282) == (72, 1) and tags.valueof(271) == 'Maker & Co'
        assert tags.valueof(700) == b'<x/>' and tags.valueof(34675) == b'i' * 200
        assert tags.valueof(34853)['GPSLatitude'] == (52, 1, 30, 1, 0, 1)
        assert tags.valueof(274) is None, 'the pixels are upright'
        np.testing.assert_array_equal(file.asarray(), deep())


@pytest.mark.parametrize('order', ['<', '>'])
def test_as_stored_only_the_tag_changes(order):
    data = tiff(deep(), photometric='rgb', byteorder=order, extratags=[(274, 3, 1, 6, True)])
    stored = as_stored(open_source(data))
    assert stored.image.size == deep().shape[1::-1]
    with tifffile.TiffFile(io.BytesIO(stored.data)) as file:
        assert file.pages.first.tags.valueof(274) == 1
    assert sum(a != b for a, b in zip(data, stored.data, strict=True)) == 1
