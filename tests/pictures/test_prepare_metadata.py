"""What a written file says, by its format and by what is to be stripped."""

import numpy as np
import pytest

from irbox.pictures import photoshop
from irbox.pictures.picture import Metadata, Picture
from irbox.pictures.png import XMP_KEY
from irbox.pictures.prepare_metadata import prepare_metadata
from irbox.pictures.xmp import EXIF, RDF, TIFF
from support.tiff_blocks import camera_block, header, ifd, read_by_pillow

PACKET = (
    f'<r:RDF xmlns:r="{RDF}" xmlns:t="{TIFF}" xmlns:e="{EXIF}" t:Orientation="6" '
    'e:GPSLatitude="52"></r:RDF>'
).encode()
IPTC = photoshop.resource(photoshop.IPTC, b'city')
THUMBNAIL, EMBEDDED = photoshop.resource(0x040C, b'jpeg'), photoshop.resource(0x0422, b'exif')


def full():
    """Metadata of everything that a file may say."""
    return Metadata(
        exif=camera_block(thumbnail=b'\xff\xd8thumb'),
        icc=b'profile',
        xmp=PACKET,
        photoshop=THUMBNAIL + IPTC + EMBEDDED,
        iptc=b'iptc',
        dpi=(72, 36),
        comment=b'a cat',
        chunks=[(b'tEXt', b'Author\0me'), (b'gAMA', b'....'), (b'tEXt', b'Raw GPS\0...')],
        segments=[(5, b'Other'), (1, b'GPS of a drone')],
    )


def prepared(metadata, own='JPEG', written=None, strip=(), record=None, turned=False, make=None):
    picture = Picture(np.zeros((30, 20, 3), np.uint8), None, [], 'x', '', own, False, turned)
    picture.metadata, notes = metadata, []
    found = prepare_metadata(
        picture,
        written or own,
        strip,
        record,
        thumbnail=make or (lambda limit: b'new'),
        notes=notes,
    )
    return found, notes


def test_everything_is_true_for_the_upright_picture_and_what_was_read_stays():
    metadata = full()
    found, notes = prepared(metadata, turned=True)
    assert metadata == full() and [one for one in notes if 'IPTC was' not in one] == []
    own, _, _, thumbnail = read_by_pillow(found.exif)
    assert (own[0x0112], own[0x0100], own[0x0101], own[0x011A]) == (1, 20, 30, 144)
    assert thumbnail[0x0202] == len(b'new') and b'thumb' not in found.exif
    assert b'Orientation="1"' in found.xmp and found.photoshop == IPTC + EMBEDDED


def test_stripping_the_position_takes_every_copy_of_it():
    found, _ = prepared(full(), own='PNG', strip=['gps'])
    assert read_by_pillow(found.exif)[2] == {} and read_by_pillow(found.exif)[0][0x010F]
    assert b'GPS' not in found.xmp and [key for key, _ in found.chunks] == [b'tEXt', b'gAMA']
    found, _ = prepared(full(), strip=['gps'])
    assert found.segments == [(5, b'Other')] and found.photoshop == IPTC
    # Of a GeoTIFF file: where its corner lies.
    corner = (33922, 2, b'corner of the map\0')
    block = header('<') + ifd('<', 8, [(0x010F, 2, b'Maker\0'), corner])
    found, _ = prepared(Metadata(exif=block), own='TIFF', strip=['gps'])
    assert b'corner' not in found.exif and b'Maker' in found.exif


def test_stripping_all_leaves_what_the_colors_mean_and_the_record():
    found, _ = prepared(full(), own='PNG', strip=['all'], record={'model': 'm'})
    assert (found.icc, found.dpi, found.chunks) == (b'profile', (72, 36), [(b'gAMA', b'....')])
    assert b'<irbox:model>' in found.xmp and b'GPS' not in found.xmp
    left = found.exif, found.photoshop, found.iptc, found.comment, found.segments
    assert left == (None, None, None, None, [])


HELD = {
    'JPEG': {'exif', 'icc', 'xmp', 'photoshop', 'comment', 'dpi'},
    'PNG': {'exif', 'icc', 'xmp', 'dpi'},
    'TIFF': {'exif', 'icc', 'xmp', 'photoshop', 'iptc', 'dpi'},
    'WEBP': {'exif', 'icc', 'xmp'},
    'BMP': {'dpi'},
    'GIF': {'comment'},
    'PPM': set(),
}


@pytest.mark.parametrize('written', HELD)
def test_what_a_format_has_no_place_for_is_noted(written):
    found, notes = prepared(full(), own='WEBP', written=written, record={'model': 'm'})
    names = ('exif', 'icc', 'xmp', 'photoshop', 'iptc', 'comment', 'dpi')
    assert {name for name in names if getattr(found, name) is not None} == HELD[written]
    left_out = [one for one in notes if 'left out: ' in one]
    record = [one for one in notes if 'record of the making was not written' in one]
    texts = [] if written == 'WEBP' else ['PNG text (Author, Raw GPS)']
    assert len(left_out) == len(names) - len(HELD[written]) + len(texts)
    assert len(record) == ('xmp' not in HELD[written])
    assert all(any(one.startswith(text) for one in notes) for text in texts)
    assert bool(found.chunks) == bool(found.segments) == (written == 'WEBP')


GAMMA, LINEAR = (b'gAMA', b'\0\0\xb1\x8f'), (b'gAMA', b'\0\1\x86\xa0')


@pytest.mark.parametrize(
    ('chunks', 'said'),
    [
        ([(b'cICP', bytes([9, 16, 0, 1])), LINEAR], 'cICP'),
        ([LINEAR, (b'cHRM', bytes(32))], 'gAMA, cHRM'),
        ([LINEAR, (b'sRGB', b'\0')], None),
        ([GAMMA], None),
    ],
)
def test_what_colors_mean_is_noted_where_it_is_lost(chunks, said):
    _, notes = prepared(Metadata(chunks=chunks), own='PNG', written='TIFF')
    assert len(notes) == (said is not None)
    assert all(f'the colors ({said}) was left out: TIFF has no place' in one for one in notes)
    assert not prepared(Metadata(chunks=chunks, icc=b'p'), own='PNG', written='TIFF')[1]
    assert not prepared(Metadata(chunks=chunks), own='PNG')[1]


def test_iptc_moves_to_where_the_other_format_holds_it():
    found, _ = prepared(Metadata(iptc=b'city', photoshop=EMBEDDED), own='TIFF', written='JPEG')
    assert (found.photoshop, found.iptc) == (IPTC + EMBEDDED, None)
    found, _ = prepared(Metadata(photoshop=IPTC + EMBEDDED), own='JPEG', written='TIFF')
    assert (found.photoshop, found.iptc) == (IPTC + EMBEDDED, b'city')


def test_damage_is_left_out_with_a_note_and_costs_nothing_else():
    damaged = Metadata(exif=b'II*\0', xmp=b'<x', photoshop=b'8BIM' + b'\xff' * 12, icc=b'profile')
    for strip in ((), ('gps',)):
        found, notes = prepared(damaged, strip=strip)
        assert found == Metadata(icc=b'profile', photoshop=damaged.photoshop)
        assert [one.split()[0] for one in notes] == ['EXIF', 'XMP']
    assert prepared(Metadata(chunks=[(b'iTXt', XMP_KEY)]), own='PNG')[0].chunks


def test_a_packet_without_rdf_gives_way_to_the_record():
    found, notes = prepared(Metadata(xmp=b'<x/>'), record={'model': 'm'})
    assert b'<irbox:model>' in found.xmp
    assert notes == ['XMP was left out: it is an XMP packet without RDF.']
    with pytest.raises(ValueError, match="The record has the name 'a b'"):
        prepared(Metadata(xmp=b'<x/>'), record={'a b': 'm'})


@pytest.mark.parametrize(('written', 'largest'), [('JPEG', 65533 - 6), ('PNG', 1 << 24)])
def test_a_thumbnail_may_be_as_large_as_the_format_allows(written, largest):
    limits = []
    block = camera_block(thumbnail=b'\xff\xd8thumb')
    prepared(Metadata(exif=block), own=written, make=lambda limit: limits.append(limit))
    assert limits == [largest - len(block) + len(b'\xff\xd8thumb')]
