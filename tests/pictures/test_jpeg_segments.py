"""JPEG files with more in them than one picture, and what of that stays true."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from irbox.pictures import photoshop, read_picture, write_picture
from support.picture_files import KINDS, photograph, saved


def with_segments(data, *segments):
    extra = b''.join(struct.pack('>BBH', 255, 0xE0 + n, len(c) + 2) + c for n, c in segments)
    return data[:2] + extra + data[2:]


def rewritten(data, **options):
    picture, buffer = read_picture(data), io.BytesIO()
    notes = write_picture(picture, picture.pixels, buffer, **options)
    return picture, Image.open(buffer), picture.notes + notes


def test_further_pictures_are_left_out_with_a_note():
    second = Image.fromarray(photograph()[::-1].copy())
    data = saved(photograph(), 'MPO', quality=95, save_all=True, append_images=[second])
    picture, after, notes = rewritten(data)
    assert picture.format == after.format == 'JPEG'
    assert any('first picture of 2' in note for note in notes)
    assert not any(name == 'APP2' for name, _ in after.applist)
    assert np.abs(picture.pixels.astype(int) - photograph()).mean() < 5


def test_film_behind_the_picture_is_left_out_with_a_note():
    data = KINDS['jpeg-420']()
    assert rewritten(data + bytes(200))[2] == []
    assert 'motion photo' in rewritten(data + b'ftypmp42' * 20)[2][0]


def test_segments_of_other_programs_and_comments_stay():
    data = saved(photograph(), 'JPEG', comment=b'by hand')
    data = with_segments(data, (12, b'Ducky\0\1'), (5, b'RMETA\0 data'))
    _, after, notes = rewritten(data)
    assert notes == []
    assert after.info['comment'] == b'by hand'
    assert {('APP12', b'Ducky\0\1'), ('APP5', b'RMETA\0 data')} <= set(after.applist)


def test_content_credentials_are_left_out_with_a_note():
    data = with_segments(KINDS['jpeg-420'](), (11, b'JP\0\1' + bytes(40)))
    _, after, notes = rewritten(data)
    assert 'C2PA' in notes[0]
    assert not any(name == 'APP11' for name, _ in after.applist)


def test_thumbnails_in_photoshop_resources_are_taken_out():
    parts = [(0x03ED, bytes(16)), (0x040C, b'old picture'), (0x0404, b'\x1c\x02\0\0\2\0\4')]
    resources = b''.join(photoshop.resource(*one) for one in parts)
    assert photoshop.without(resources, photoshop.THUMBNAILS).count(b'8BIM') == 2
    data = with_segments(KINDS['jpeg-420'](), (13, photoshop.MARK + resources))
    _, after, notes = rewritten(data)
    assert notes == []
    content = dict(after.applist)['APP13']
    assert b'old picture' not in content
    assert parts[2][1] in content
    with pytest.raises(ValueError, match='damaged'):
        photoshop.find(b'no resources at all', 1)


def test_orientation_of_xmp_alone_is_applied_and_reset():
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    picture, after, notes = rewritten(saved(photograph(), 'JPEG', xmp=xmp), record={'a': 1})
    assert notes == []
    assert picture.size == after.size == (48, 64)
    assert b't:Orientation="1"' in after.info['xmp']


def test_tables_turn_with_the_picture():
    table = list(range(1, 65))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(photograph()[..., 0], 'JPEG', qtables=[table], exif=exif)
    stored = np.reshape(Image.open(io.BytesIO(data)).quantization[0], (8, 8))
    _, after, _ = rewritten(data)
    np.testing.assert_array_equal(np.reshape(after.quantization[0], (8, 8)), stored.T)
