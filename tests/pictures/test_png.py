"""Chunks laid out by hand, and files that Pillow reads back."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from irbox.pictures.picture import Metadata
from irbox.pictures.png import (
    COLOR,
    EXIF_KEY,
    START,
    XMP_KEY,
    find_chunk,
    find_xmp,
    kept_chunks,
    pack,
    read_chunks,
    swap_resolution,
    write_png,
)
from support.picture_files import deep, deep_alpha, mask, photograph, png_chunk, saved

TEXT = (b'tEXt', b'Author\0me')


def test_chunks_are_laid_out_and_read_in_order_but_for_the_pixels():
    chunks = [(b'IHDR', bytes(13)), (b'IDAT', b'..'), TEXT, (b'IDAT', b''), (b'tEXt', b'')]
    data = START + b''.join(png_chunk(*one) for one in [*chunks, (b'IEND', b'')])
    assert data == START + b''.join(pack(*one) for one in [*chunks, (b'IEND', b'')])
    kept = [chunks[0], TEXT, (b'tEXt', b'')]
    assert read_chunks(data + b'behind the end') == kept
    assert find_chunk(kept, b'tEXt') == TEXT[1] and find_chunk(kept, b'eXIf') is None


def test_every_place_where_a_file_may_end_is_told():
    data = START + pack(b'IHDR', bytes(13)) + pack(*TEXT) + pack(b'IEND', b'')
    for end in range(len(START), len(data)):
        with pytest.raises(ValueError, match='the file ends (before its last|within a) chunk'):
            read_chunks(data[:end])
    place = data.index(b'Author')
    with pytest.raises(ValueError, match='chunk tEXt is damaged'):
        read_chunks(data[:place] + b'a' + data[place + 1 :])


@pytest.mark.parametrize('compressed', [False, True])
def test_xmp_is_found_with_any_language_and_kept_apart(compressed):
    text = zlib.compress(b'<x/>') if compressed else b'<x/>'
    content = XMP_KEY + bytes([compressed, 0]) + b'en\0Schl\xc3\xbcssel\0' + text
    chunks = [TEXT, (b'iTXt', content)]
    assert find_xmp(chunks) == b'<x/>'
    assert kept_chunks(chunks, []) == [TEXT] and find_xmp([TEXT]) is None


def test_what_belongs_to_the_old_pixels_or_changes_is_left_out():
    gone = [(b'IHDR', b''), (b'PLTE', b''), (b'acTL', b''), (b'eXIf', b''), (b'zTXt', EXIF_KEY)]
    kept = [(b'gAMA', b''), TEXT, (b'prVt', b'private')]
    notes = []
    assert kept_chunks([*gone, *kept], notes) == kept and notes == []
    assert kept_chunks([(b'caBX', b'signed')], notes) == []
    assert notes == ['Content credentials (C2PA) sign the old pixels and were left out.']


def test_resolutions_change_places():
    chunk = (b'pHYs', struct.pack('>IIB', 1, 2, 1))
    assert swap_resolution([TEXT, chunk]) == [TEXT, (b'pHYs', struct.pack('>IIB', 2, 1, 1))]


@pytest.mark.parametrize('gray', [False, True])
@pytest.mark.parametrize('with_alpha', [False, True])
def test_what_is_written_is_read_by_pillow_with_its_colors_told_before_its_texts(gray, with_alpha):
    info = Image.open(io.BytesIO(saved(photograph(), 'PNG', dpi=(72, 36)))).info
    metadata = Metadata(exif=b'II*\0\x08\0\0\0\0\0', xmp='<x>Zoë</x>'.encode(), dpi=info['dpi'])
    metadata.chunks = [TEXT, (b'gAMA', struct.pack('>I', 45455))]
    values = photograph()[..., 1] if gray else photograph()
    file, alpha = io.BytesIO(), mask() if with_alpha else None
    write_png(file, values, alpha, metadata)
    image = Image.open(file)
    wanted = values if alpha is None else np.dstack([values, alpha])
    np.testing.assert_array_equal(np.asarray(image), wanted)
    assert image.info['xmp'].decode() == '<x>Zoë</x>' and image.info['Author'] == 'me'
    assert image.info['exif'].endswith(metadata.exif) and image.info['dpi'] == info['dpi']
    kinds = [kind for kind, _ in read_chunks(file.getvalue())]
    assert kinds[:2] == [b'IHDR', b'gAMA'] and kinds.count(b'pHYs') == 1
    assert not set(kinds[2:]) & set(COLOR)


def test_own_chunks_stand_for_resolution_and_profile():
    own = (b'pHYs', struct.pack('>IIB', 1000, 500, 1))
    file = io.BytesIO()
    write_png(file, deep()[..., 0], deep_alpha(), Metadata(dpi=(72, 72), chunks=[own]))
    assert find_chunk(read_chunks(file.getvalue()), b'pHYs') == own[1]
    assert [kind for kind, _ in read_chunks(file.getvalue())].count(b'pHYs') == 1
