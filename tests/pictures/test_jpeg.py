"""What is read of a JPEG file, and what Pillow finds in one that is written."""

import io

import numpy as np
import pytest
from PIL import Image

from irbox.pictures.jpeg import EXTENDED_XMP_MARK, SEGMENT, read_encoding, read_segments, write_jpeg
from irbox.pictures.photoshop import MARK, resource
from irbox.pictures.picture import Metadata
from support.picture_files import KINDS, photograph, saved


def written(values=None, encoding=None, metadata=None, quality=None):
    notes, file = [], io.BytesIO()
    image = Image.fromarray(photograph() if values is None else values)
    write_jpeg(file, image, encoding or {}, metadata or Metadata(), quality, notes)
    return Image.open(file), notes


def segments_of(image):
    metadata, notes = Metadata(), []
    read_segments(image, metadata, notes)
    return metadata, notes


@pytest.mark.parametrize('name', ['jpeg-420', 'jpeg-422', 'jpeg-444-progressive', 'jpeg-grey'])
def test_a_turned_encoding_is_the_transpose(name):
    image = Image.open(io.BytesIO(KINDS[name]()))
    plain, turned = (read_encoding(image, turned=one) for one in (False, True))
    assert len(plain['factors']) == (1 if 'grey' in name else 3)
    assert turned['factors'] == [two[::-1] for two in plain['factors']]
    for one, other in zip(plain['qtables'], turned['qtables'], strict=True):
        np.testing.assert_array_equal(np.reshape(one, (8, 8)), np.reshape(other, (8, 8)).T)
    assert plain['progressive'] == ('progressive' in name) and not plain['keep_rgb']


def test_files_without_an_encoding_of_ours():
    for data in (KINDS['jpeg-cmyk'](), KINDS['bmp']()):
        assert read_encoding(Image.open(io.BytesIO(data)), turned=False) == {}


def test_rgb_that_was_stored_as_rgb_stays_so():
    data = saved(photograph(), 'JPEG', keep_rgb=True, quality=90)
    encoding = read_encoding(Image.open(io.BytesIO(data)), turned=False)
    assert encoding['keep_rgb']
    image, _ = written(encoding=encoding)
    assert read_encoding(image, turned=False) == encoding


def test_subsampled_rgb_becomes_ycbcr():
    data = KINDS['jpeg-420']()
    for number, letter in enumerate(b'RGB', 1):
        # The components in the frame's header and in the scan's.
        for mark, step in ((b'\xff\xc0', 3), (b'\xff\xda', 2)):
            start = data.index(mark) + (10 if step == 3 else 5)
            place = start + step * (number - 1)
            assert data[place] == number
            data = data[:place] + bytes([letter]) + data[place + 1 :]
    encoding = read_encoding(Image.open(io.BytesIO(data)), turned=False)
    assert encoding['keep_rgb'] and encoding['subsampling'] == 2
    image, notes = written(encoding=encoding)
    assert notes == ['Subsampled RGB was replaced by YCbCr.']
    assert read_encoding(image, turned=False) == encoding | {'keep_rgb': False}


@pytest.mark.parametrize('quality', [None, 30])
def test_a_quality_takes_the_place_of_the_tables(quality):
    before = Image.open(io.BytesIO(KINDS['jpeg-420']()))
    image, _ = written(encoding=read_encoding(before, turned=False), quality=quality)
    wanted = Image.open(io.BytesIO(saved(photograph(), 'JPEG', quality=quality or 83)))
    assert image.quantization == wanted.quantization
    assert image.layer == before.layer, 'the subsampling stays'
    fresh, _ = written(quality=quality)
    wanted = Image.open(io.BytesIO(saved(photograph(), 'JPEG', quality=quality or 95)))
    assert fresh.quantization == wanted.quantization
    assert [one[1:3] for one in fresh.layer] == [(1, 1)] * 3


def test_segments_comments_and_resources_of_any_length_come_back():
    resources = b''.join(resource(1000 + i, bytes([i]) * 50001) for i in range(3))
    metadata = Metadata(photoshop=resources, comment=b'a comment')
    metadata.segments = [(1, EXTENDED_XMP_MARK + b'x'), (5, b'Other program')]
    image, notes = written(metadata=metadata)
    found, _ = segments_of(image)
    assert notes == [] and found == metadata
    parts = [content for name, content in image.applist if name == 'APP13']
    assert len(parts) == -(-len(resources) // (SEGMENT - len(MARK)))


def test_each_kind_that_cannot_be_kept_is_noted_once():
    image = Image.open(io.BytesIO(KINDS['jpeg-420']()))
    image.applist = [('APP11', b'JP..'), ('APP2', b'MPF\0..'), ('COM', b'a'), ('COM', b'b')] * 2
    metadata, notes = segments_of(image)
    assert metadata == Metadata(comment=b'a\nb\na\nb')
    assert [note.split()[0] for note in notes] == ['Content', 'Further']


@pytest.mark.parametrize(('name', 'mark'), [('exif', 6), ('xmp', 29)])
def test_what_is_too_long_for_a_segment_is_left_out_with_its_length(name, mark):
    for over in (0, 1):
        content = b'II*\0\x08\0\0\0' + bytes(SEGMENT - mark - 8 + over)
        image, notes = written(metadata=Metadata(**{name: content}))
        assert (name in image.info) == (not over)
        text = f'{name.upper()} of {len(content)} bytes is too long for JPEG: left out.'
        assert notes == [text] * over


def test_a_table_for_grey_alone():
    encoding = read_encoding(Image.open(io.BytesIO(KINDS['jpeg-420']())), turned=False)
    image, notes = written(photograph()[..., 1].copy(), encoding)
    assert image.mode == 'L' and notes == []
    assert list(image.quantization) == [0]
