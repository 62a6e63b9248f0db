"""Packets are changed as text; an XML parser reads what became of them."""

from xml.etree import ElementTree

import pytest

from irbox.pictures.xmp import (
    EXIF,
    RDF,
    TIFF,
    XMP,
    add_description,
    make_upright,
    orientation,
    parse_packet,
    remove_gps,
)

ATTRIBUTES = (
    "tiff:Orientation = '6' tiff:ImageWidth=\"64\" tiff:ImageLength='48' exif:PixelXDimension='64'"
    " exif:PixelYDimension='48' exif:GPSLatitude='52,30N' exif:ISO='100'"
)
ELEMENTS = (
    '<tiff:Orientation>6</tiff:Orientation><tiff:ImageWidth >64</tiff:ImageWidth >'
    '<tiff:ImageLength>48</tiff:ImageLength><exif:PixelXDimension>64</exif:PixelXDimension>'
    '<exif:PixelYDimension>48</exif:PixelYDimension><exif:GPSLatitude>52,30N</exif:GPSLatitude>'
    '<exif:GPSAltitude rdf:about=""/><exif:ISO>100</exif:ISO>'
)


def packet(attributes='', elements='', tiff='tiff', exif='exif'):
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description xmlns:tiff="{TIFF}" xmlns:exif="{EXIF}" '
        f'xmlns:xmp="{XMP}" xmlns:dc="d" dc:title="Zoë, 6 &amp; more" {attributes}>{elements}'
        '<xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    for usual, prefix in (('tiff', tiff), ('exif', exif)):
        text = text.replace(f'{usual}:', f'{prefix}:').replace(f':{usual}=', f':{prefix}=')
    return f'{text}{" " * 99}<?xpacket end="w"?>'.encode()


def properties(data):
    """Each property of the one description, whether it is an attribute or an element."""
    description = ElementTree.fromstring(data.decode().strip('\ufeff')).find(
        f'.//{{{RDF}}}Description'
    )
    return dict(description.attrib) | {one.tag: one.text for one in description}


WRITTEN = pytest.mark.parametrize(
    'data',
    [packet(ATTRIBUTES), packet('', ELEMENTS), packet(ATTRIBUTES, '', 't.1', 'e-x')],
    ids=['attributes', 'elements', 'other prefixes'],
)


@WRITTEN
def test_what_lies_is_told_and_set_upright_and_all_else_stays(data):
    assert orientation(data) == 6
    made = make_upright(data, 48, 64)
    assert orientation(made) == 1
    wanted = properties(data) | {
        f'{{{TIFF}}}Orientation': '1',
        f'{{{TIFF}}}ImageWidth': '48',
        f'{{{TIFF}}}ImageLength': '64',
        f'{{{EXIF}}}PixelXDimension': '48',
        f'{{{EXIF}}}PixelYDimension': '64',
    }
    del wanted[f'{{{XMP}}}Thumbnails']
    assert properties(made) == wanted


@WRITTEN
def test_only_the_position_is_taken_out(data):
    left = {key: value for key, value in properties(data).items() if 'GPS' not in key}
    assert len(left) < len(properties(data))
    assert properties(remove_gps(data)) == left


@pytest.mark.parametrize('text', ['', "tiff:Orientation='9'", "tiff:Orientation='16'"])
def test_an_orientation_that_is_not_said(text):
    assert orientation(packet(text)) is None


def test_a_description_is_added_to_any_packet_and_uses_up_the_padding():
    added = f'<rdf:Description xmlns:rdf="{RDF}" xmlns:a="urn:a" a:b="c"/>'
    empty = f'<r:RDF xmlns:r="{RDF}" class="x" />'.encode() + bytes(9)
    for data in (None, packet(ATTRIBUTES), empty):
        made = add_description(data, added)
        root = parse_packet(made)
        found = [one.get('{urn:a}b') for one in root.iter(f'{{{RDF}}}Description')]
        assert found.count('c') == 1
        assert b' ' * 9 not in made and not made.endswith(b'\0')
    assert properties(add_description(packet(ATTRIBUTES), added)) == properties(packet(ATTRIBUTES))
    with pytest.raises(ValueError, match='an XMP packet without RDF'):
        add_description(b'<x/>', added)


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', 'with declarations'),
        (b'<x', 'cannot be parsed'),
        (b'<x>\xff</x>', 'cannot be parsed'),
        (b'', 'cannot be parsed'),
    ],
)
@pytest.mark.parametrize('change', [remove_gps, lambda data: make_upright(data, 1, 1)])
def test_what_is_no_packet_is_refused(data, reason, change):
    with pytest.raises(ValueError, match=reason):
        change(data)
    parse_packet(b'\xef\xbb\xbf<x><!-- a comment --><![CDATA[ENTITY]]></x>\0\n')
