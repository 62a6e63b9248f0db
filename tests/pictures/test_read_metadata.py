"""Where each kind of file holds what it says, and damage that costs nothing else."""

import struct

import pytest
from PIL import Image, PngImagePlugin

from irbox.pictures.exif import MARK
from irbox.pictures.open_source import Opened, open_source
from irbox.pictures.picture import Metadata
from irbox.pictures.read_metadata import find_xmp, read_metadata, read_orientation
from support.picture_files import KINDS, deep, photograph, saved, tiff
from support.tiff_blocks import camera_block

BLOCK = camera_block()


def read(data):
    notes = []
    return read_metadata(open_source(data), notes), notes


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_exif_and_xmp_without_the_mark(kind):
    data = saved(photograph(), kind, exif=MARK + BLOCK, xmp=b'<x/>')
    if kind == 'PNG':
        info = PngImagePlugin.PngInfo()
        info.add_itxt('XML:com.adobe.xmp', '<x/>')
        data = saved(photograph(), kind, exif=MARK + MARK + BLOCK, pnginfo=info)
    metadata, notes = read(data)
    assert (metadata.exif, metadata.xmp, notes) == (BLOCK, b'<x/>', [])


def test_exif_that_imagemagick_wrote_as_text():
    hexed = '\n'.join([BLOCK.hex()[i : i + 72] for i in range(0, 2 * len(BLOCK), 72)])
    for text, wanted in ((hexed, BLOCK), ('no hex', None)):
        info = PngImagePlugin.PngInfo()
        info.add_text('Raw profile type exif', f'\nexif\n{len(BLOCK):8}\n{text}\n')
        assert read(saved(photograph(), 'PNG', pnginfo=info))[0].exif == wanted


def test_tiff_has_tags_of_its_own_for_what_others_have_blocks_for():
    tags = [(code, 7, len(one), one, True) for code, one in ((700, b'<x/>'), (33723, b'iptc'))]
    tags += [(34675, 7, 200, b'i' * 200, True), (271, 2, 6, 'Maker', True)]
    metadata, _ = read(tiff(deep(), photometric='rgb', extratags=tags, software='it'))
    assert (metadata.xmp, metadata.iptc, metadata.icc) == (b'<x/>', b'iptc', b'i' * 200)
    assert b'Maker' in metadata.exif and b'iptc' not in metadata.exif
    short = read(tiff(deep(), photometric='rgb', extratags=[(34675, 7, 9, b'too short', True)]))
    assert short[0].icc is None


def test_a_box_of_jxl():
    def box(kind, content, size=None):
        return struct.pack('>I4s', len(content) + 8 if size is None else size, kind) + content

    image = Image.new('L', (1, 1))
    image.format = 'JXL'
    start = box(b'JXL ', b'\r\n\x87\n') + box(b'ftyp', b'jxl ')
    for data, wanted in (
        (start + box(b'xml ', b'<x/>') + box(b'jxlc', b'..'), b'<x/>'),
        (start + box(b'xml ', b'<x/>', size=0), b'<x/>'),
        (start + box(b'jxlc', b'xml '), None),
        (start + box(b'odd ', b'', size=7) + box(b'xml ', b'<x/>'), None),
        (b'\xff\n a bare codestream', None),
    ):
        assert find_xmp(Opened('x', data, image, '')) == wanted


@pytest.mark.parametrize(
    ('data', 'dpi'),
    [
        (saved(photograph(), 'JPEG', dpi=(72, 36)), (72, 36)),
        (saved(photograph(), 'PNG', dpi=(254, 127)), (254, 127)),
        (saved(photograph(), 'TIFF', dpi=(72, 36)), None),  # stands in its EXIF
        (saved(photograph(), 'JPEG', exif=MARK + BLOCK), None),
        (KINDS['jpeg-420'](), None),
    ],
    ids=['jpeg', 'png', 'tiff', 'jpeg with EXIF', 'none'],
)
def test_the_resolution_outside_of_exif(data, dpi):
    found = read(data)[0].dpi
    assert found == (None if dpi is None else pytest.approx(dpi, abs=0.01))


def test_a_comment_of_gif():
    assert read(saved(photograph(), 'GIF', comment=b'a cat'))[0].comment == b'a cat'


def test_orientation_by_exif_or_else_by_xmp():
    six, packet = BLOCK, b'<x xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="8"/>'
    notes = []
    assert read_orientation(Metadata(exif=six, xmp=packet), notes) == 6
    assert read_orientation(Metadata(xmp=packet), notes) == 8
    assert read_orientation(Metadata(), notes) == 1 and notes == []
    damaged = Metadata(exif=b'II*\0', xmp=packet)
    assert read_orientation(damaged, notes) == 8
    assert damaged.exif is None and notes[0].startswith('EXIF was left out: it is a TIFF structure')
