"""Files that are no pictures, or none that can be restored as asked for."""

import gzip
import io
import os
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from support.picture_files import KINDS, mask, png_chunk, saved, tiff, with_alpha
from support.picture_files import photograph as values
from support.tiny_model import photograph
from support.wrong_ways.way import Way

NO_PICTURE = ('no picture of a known format', 'convert it to PNG')
AGAIN = ('Replace the file',)
RAW = ('camera raw file', 'Export it')
TIFF = ('16 bits per value', 'Save it again')


def _bomb(width, height):
    small = KINDS['png-rgb8']()
    header = struct.pack('>II', width, height) + b'\x08\x02\0\0\0'
    return small[:8] + png_chunk(b'IHDR', header) + small[33:]


def _text_of_gigabytes():
    small = KINDS['png-rgb8']()
    content = b'Title\0\0' + zlib.compress(bytes(1 << 26), 9)
    return small[:33] + png_chunk(b'zTXt', content) + small[33:]


def _damaged(name):
    data = bytearray(KINDS[name]())
    data[len(data) // 2] ^= 255
    return bytes(data)


def _without(name, kind):
    data = KINDS[name]()
    start = data.index(kind) - 4
    return data[:start]


def _zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('a.png', KINDS['png-rgb8']())
    return buffer.getvalue()


CONTENTS = {
    'empty.png': (lambda: b'', ('0 bytes', 'Copy it again')),
    'byte.jpg': (lambda: b'\xff', NO_PICTURE),
    'letter.jpg': (lambda: b'Dear Sir or Madam,\n', NO_PICTURE),
    'not_found.jpg': (lambda: b'<!DOCTYPE html><html><h1>404</h1></html>', NO_PICTURE),
    'drawing.png': (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', NO_PICTURE),
    'pages.jpg': (lambda: b'%PDF-1.7\n' + bytes(99), NO_PICTURE),
    'program.png': (lambda: saved(values(), 'EPS'), NO_PICTURE),
    'many.png': (_zip, NO_PICTURE),
    'packed.jpg': (lambda: gzip.compress(KINDS['jpeg-420']()), NO_PICTURE),
    'pointer.png': (
        lambda: b'version https://git-lfs.github.com/spec/v1\noid sha256:0',
        NO_PICTURE,
    ),
    'layers.png': (lambda: b'8BPS\0\1' + bytes(99), NO_PICTURE),
    'wavelets.jpg': (lambda: b'\0\0\0\x0cjP  \r\n\x87\n' + bytes(99), NO_PICTURE),
    'zeros.jpg': (lambda: bytes(4096), NO_PICTURE),
    'raw.cr2': (lambda: b'II*\0\x10\0\0\0CR\2\0' + bytes(99), RAW),
    'raw.nef': (lambda: b'MM\0*\0\0\0\b' + bytes(99), RAW),
    'raw.cr3': (lambda: b'\0\0\0\x18ftypcrx ' + bytes(99), RAW),
    'raw.raf': (lambda: b'FUJIFILMCCD-RAW ' + bytes(99), RAW),
    'raw.dng': (KINDS['tiff-rgb8'], RAW),
    'bomb.png': (lambda: _bomb(40000, 40000), ('1600.0 megapixels', 'at most')),
    'nothing.png': (lambda: _bomb(0, 4), ('nothing.png',)),
    'text.png': (_text_of_gigabytes, AGAIN),
    'chunk.png': (lambda: _damaged('png-rgb8'), AGAIN),
    'chunk16.png': (lambda: _damaged('png-rgb16'), AGAIN),
    'no_pixels.png': (lambda: _without('png-rgb8', b'IDAT'), ('Replace it',)),
    'no_end.png': (lambda: _without('png-rgb8', b'IEND'), AGAIN),
    'whole_numbers.tif': (
        lambda: tiff(np.full((4, 4), 70000, np.uint32), photometric='minisblack'),
        ('8 or 16 bits',),
    ),
    'header.tif': (lambda: b'II*\0' + bytes(60), TIFF),
    'percent.tif': (
        lambda: tiff(values().astype(np.float32), photometric='rgb'),
        ('0 to 212', 'divide by 255'),
    ),
}
CUT = ('jpeg-420', 'jpeg-444-progressive', 'jpeg-cmyk', 'png-rgb8', 'png-rgb16', 'png-palette')
CUT += ('webp-lossless', 'webp-lossy', 'tiff-rgb8', 'tiff-rgb16', 'tiff-rgb8-lzw', 'bmp', 'gif')
CUT += ('ppm', 'ppm16', 'avif')


def _end(kind):
    ends = {'jpeg': 'jpg', 'tiff': 'tif', 'ppm16': 'ppm'}
    return ends.get(kind.split('-')[0], kind.split('-')[0])


def _write(name, content):
    Path(name).write_bytes(content())


def _half(name, kind):
    data = KINDS[kind]()
    Path(name).write_bytes(data[: len(data) // 2])


def _save(image, name, kind=None):
    Image.fromarray(image).save(name, kind)


FILES = [
    *(
        Way(f'restore {name}', (name, *says), partial(_write, name, content))
        for name, (content, says) in CONTENTS.items()
    ),
    *(
        Way(f'restore {kind}.{_end(kind)}', (kind,), partial(_half, f'{kind}.{_end(kind)}', kind))
        for kind in CUT
    ),
    Way('restore pipe.png', ('pipe.png', 'Name a picture file'), lambda: os.mkfifo('pipe.png')),
    Way('restore folder.png', ('folder.png', 'no picture'), lambda: Path('folder.png').mkdir()),
    Way('restore /dev/zero --out new', ('/dev/zero', 'Name a picture file')),
    Way('restore -', ('0 bytes', 'Copy it again'), name='restore - < /dev/null'),
    Way(
        'restore clear.png --format jpg',
        ('clear.png', 'transparent', '--format png'),
        lambda: _save(with_alpha(values(), mask()), 'clear.png'),
    ),
    Way(
        'restore long.png --format webp',
        ('long.png', '16400x1', '16383', '--format'),
        lambda: _save(np.zeros((1, 16400, 3), np.uint8), 'long.png'),
    ),
    Way(
        'restore long.png --format jpg',
        ('long.png', '1x65600', '65500', '--format'),
        lambda: _save(np.zeros((65600, 1, 3), np.uint8), 'long.png'),
    ),
    Way(
        'restore a.png --mask small.png',
        ('mask', '8x8', '40x60', 'Give a mask'),
        lambda: photograph(8, 8).convert('L').save('small.png'),
    ),
    Way(
        'restore a.png --task rain --steer-mask small.png',
        ('steer_mask', '8x8', '40x60', 'Give a mask'),
        lambda: photograph(8, 8).convert('L').save('small.png'),
    ),
    Way(
        'restore a.png --compare --clean small.png',
        ('small.png', '8x8', '40x60'),
        lambda: photograph(8, 8).save('small.png'),
    ),
    Way('restore a.png --compare --clean text.txt', ('text.txt', 'no picture')),
    Way('restore a.png --max-memory 1M', ('0 MiB are left', 'Allow a larger max_memory')),
    Way('restore clip.mp4', ('clip.mp4', 'Invalid data')),
    Way('restore clip.mp4 --format png', ('--format', 'clip.mp4', 'leave it out')),
    Way('restore clip.mp4 --ray --out out', ('--ray', 'clip.mp4', 'leave it out')),
    Way('restore clip.mp4 --out new.png', ('--out new.png', '.mp4')),
    Way('restore clip.mp4 --compare', ('--compare', 'clip.mp4', 'leave it out')),
    Way('restore clip.mp4 --out -', ('--out -', 'clip.mp4', 'file')),
    Way('restore clip.mp4 --model model,other', ('model,other', 'Give one')),
]
