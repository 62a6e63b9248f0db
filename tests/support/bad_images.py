"""Image files that a data set refuses, a name for each kind, and odd ones that it takes."""

import io
import os
import zlib

import numpy as np
from PIL import Image

from support.picture_files import KINDS, deep, photograph, png_chunk, saved, tiff


def plain():
    return saved(photograph(), 'PNG')


def bomb():
    header = np.array([40000, 40000], dtype='>u4').tobytes() + b'\x08\x02\0\0\0'
    return plain()[:8] + png_chunk(b'IHDR', header) + plain()[33:]


def expanding_text():
    content = b'Title\0\0' + zlib.compress(bytes(1 << 26), 9)
    return plain()[:33] + png_chunk(b'zTXt', content) + plain()[33:]


def frames(kind, count=40):
    one = [Image.fromarray(np.full((4, 4), n, np.uint8)) for n in range(count)]
    return saved(one[0], kind, save_all=True, append_images=one[1:])


def wide_ppm():
    return b'P6\n2 2\n65535\n' + bytes(24)


def torn(data, share=0.6):
    return data[: int(len(data) * share)]


def flipped(data):
    content = bytearray(data)
    content[len(content) // 2] ^= 255
    return bytes(content)


# Kind: what the file holds, its suffix and a part of the message.
REFUSED = {
    'empty': (lambda: b'', '.png', '0 bytes'),
    'text': (lambda: b'<html>Too many requests</html>', '.jpg', 'no image of a known type'),
    'postscript': (lambda: saved(photograph(), 'EPS'), '.png', 'no image of a known type'),
    'icon': (lambda: saved(photograph(), 'ICO'), '.png', 'no image of a known type'),
    'truncated PNG': (lambda: torn(plain()), '.png', 'truncated'),
    'truncated JPEG': (lambda: torn(saved(photograph(), 'JPEG')), '.jpg', 'truncated'),
    'truncated BMP': (lambda: torn(saved(photograph(), 'BMP')), '.bmp', 'truncated'),
    'truncated TIFF': (lambda: torn(saved(photograph(), 'TIFF')), '.tif', ''),
    'truncated IHDR': (
        lambda: plain()[:8] + png_chunk(b'IHDR', bytes(5)) + plain()[33:],
        '.png',
        'IHDR',
    ),
    'flipped byte': (lambda: flipped(plain()), '.png', ''),
    'bomb': (bomb, '.png', '40000x40000'),
    'expanding text': (expanding_text, '.png', 'too large'),
    '16-bit grey PNG': (KINDS['png-grey16'], '.png', '8 bits'),
    '16-bit RGB PNG': (KINDS['png-rgb16'], '.png', '8 bits'),
    '16-bit RGBA PNG': (KINDS['png-rgba16'], '.png', '8 bits'),
    '16-bit RGB TIFF': (lambda: tiff(deep(), photometric='rgb'), '.tif', ''),
    '16-bit grey TIFF': (lambda: tiff(deep()[..., 0].copy()), '.tif', '8 bits'),
    'float TIFF': (KINDS['tiff-float-grey'], '.tif', '8 bits'),
    '16-bit PPM': (wide_ppm, '.png', '8 bits'),
    'animated PNG': (lambda: frames('PNG'), '.png', 'several frames'),
    'animated GIF': (lambda: frames('GIF'), '.png', 'several frames'),
    'animated WebP': (lambda: frames('WEBP'), '.png', 'several frames'),
    'TIFF of pages': (lambda: frames('TIFF'), '.tif', 'several frames'),
}
# Those whose damage stands behind the header, where only decoding finds it.
HIDDEN = {'flipped byte', 'truncated TIFF'}


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(photograph(), 'JPEG', exif=exif, quality=95)


TAKEN = {
    'alpha': KINDS['png-rgba8'],
    'grey': KINDS['png-grey8'],
    'palette': KINDS['png-palette'],
    'CMYK': KINDS['jpeg-cmyk'],
    'EXIF-rotated': turned,
    'JPEG named as PNG': lambda: saved(photograph(), 'JPEG'),
}


def specials(folder):
    """Make what is no regular file under images' names, and say what each is refused for."""
    os.mkfifo(folder / 'pipe.png')
    (folder / 'device.png').symlink_to('/dev/zero')
    (folder / 'loop.png').symlink_to('loop.png')
    (folder / 'gone.png').symlink_to('nowhere.png')
    (folder / 'folder.png').mkdir()
    return {
        'pipe.png': 'no regular file',
        'device.png': 'no regular file',
        'loop.png': 'symbolic links',
        'gone.png': 'does not exist',
        'folder.png': 'is a folder',
    }


def image_bytes(seed, size=24):
    values = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, 'PNG')
    return buffer.getvalue()
