import io
import struct

import pytest
from PIL import Image

from irbox.pictures.open_source import Opened, open_source
from irbox.pictures.webp import read_encoding
from support.picture_files import animation, photograph, saved


def riff(*chunks):
    body = b''.join(
        kind + struct.pack('<I', len(content)) + content + bytes(len(content) % 2)
        for kind, content in chunks
    )
    return b'RIFF' + struct.pack('<I', 4 + len(body)) + b'WEBP' + body


FRAME = b'ALPHx'.ljust(16, b'\0')


@pytest.mark.parametrize(
    ('data', 'lossless'),
    [
        (riff((b'VP8L', b'/')), True),
        (riff((b'VP8 ', b'...VP8L....')), False),
        (riff((b'VP8X', bytes(10)), (b'ICCP', b'odd'), (b'VP8L', b'/')), True),
        (riff((b'VP8X', bytes(10)), (b'EXIF', b'VP8L'), (b'VP8 ', b'..')), False),
        (riff((b'ANIM', bytes(6)), (b'ANMF', FRAME + riff((b'VP8L', b'/'))[12:])), True),
        (riff((b'ANIM', bytes(6)), (b'ANMF', FRAME + riff((b'VP8 ', b'..'))[12:])), False),
        (riff((b'VP8X', bytes(10)))[:-4], False),
    ],
)
def test_the_kind_of_chunk_tells_wherever_it_stands(data, lossless):
    opened = Opened('x', data, Image.new('L', (1, 1)), '')
    assert read_encoding(opened) == {'lossless': lossless}


def test_files_of_pillow_and_files_of_other_kinds():
    assert read_encoding(open_source(animation('WEBP'))) == {'lossless': True}
    assert read_encoding(open_source(saved(photograph(), 'WEBP', quality=50)))['lossless'] is False
    assert read_encoding(open_source(saved(photograph(), 'PNG'))) == {}
    wave = io.BytesIO(b'RIFF\4\0\0\0WAVE').getvalue()
    assert read_encoding(Opened('x', wave, Image.new('L', (1, 1)), '')) == {}
    assert read_encoding(open_source(Image.new('L', (1, 1)))) == {}
