"""Kinds of files beside ``KINDS``: turned, with other profiles, and of decoders that are extra."""

import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from support.picture_files import (
    KINDS,
    display_p3,
    mask,
    photograph,
    png_chunk,
    saved,
    with_alpha,
)

ENDS = {'jpeg': 'jpg', 'tiff': 'tif', 'ppm16': 'ppm', 'pgm16': 'pgm', 'apng': 'png', 'mpo': 'jpg'}


def end_of(kind):
    """The suffix of a kind's file."""
    first = kind.split('-')[0]
    return ENDS.get(first, first)


def turned(orientation, kind='JPEG', **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(photograph(), kind, exif=exif, **options)


def png_grey4(values):
    """A PNG file of 4 bits a pixel, written out by hand: not every Pillow writes one."""
    height, width = values.shape
    rows = values[:, ::2] << 4 | values[:, 1::2]
    header = struct.pack('>IIBBBBB', width, height, 4, 0, 0, 0, 0)
    content = zlib.compress(b''.join(b'\0' + row.tobytes() for row in rows))
    chunks = [(b'IHDR', header), (b'IDAT', content), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(png_chunk(*one) for one in chunks)


@cache
def table_profile():
    """A profile of a table (``A2B0``) in the place of a matrix: colors to Lab, here all as grey."""
    header = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()[:128])
    header[12:16], header[16:20], header[20:24] = b'prtr', b'RGB ', b'Lab '
    matrix = struct.pack('>9i', *(65536 * (n % 4 == 0) for n in range(9)))
    ramp = bytes(range(256))
    corners = bytes(value for n in range(8) for value in (n * 255 // 7, 128, 128))
    table = b'mft1\0\0\0\0\x03\x03\x02\0' + matrix + ramp * 3 + corners + ramp * 3
    text = b'text\0\0\0\0free\0\0\0\0'
    tags = {b'A2B0': table, b'cprt': text}
    place, entries, content = 128 + 4 + 12 * len(tags), b'', b''
    for name, value in tags.items():
        entries += struct.pack('>4sII', name, place + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    whole = struct.pack('>I', len(tags)) + entries + content
    header[:4] = struct.pack('>I', 128 + len(whole))
    return bytes(header) + whole


def lossless_avif():
    """An AVIF whose planes are said to be the colors themselves, as lossless ones are."""
    grey = np.repeat(photograph()[..., 1:2], 3, axis=2)
    data = saved(grey, 'AVIF', quality=100, subsampling='4:4:4')
    place = data.find(b'nclx') + 8
    return data[:place] + b'\0\0' + data[place + 2 :]


def two_in_one():
    first, second = (Image.fromarray(one) for one in (photograph(), photograph()[::-1].copy()))
    return saved(first, 'MPO', save_all=True, append_images=[second], quality=90)


def heif(values, **options):
    import pillow_heif

    pillow_heif.register_heif_opener()
    return saved(values, 'HEIF', **options)


def jxl(values, **options):
    import pillow_jxl

    assert pillow_jxl
    return saved(values, 'JXL', **options)


EXTRA = {
    'heic': lambda: heif(photograph(), quality=90),
    'heic-lossless': lambda: heif(photograph(), quality=-1, chroma=444, matrix_coefficients=0),
    'jxl': lambda: jxl(photograph()),
    'jxl-lossless': lambda: jxl(photograph(), lossless=True),
    'jxl-lossless-alpha': lambda: jxl(with_alpha(photograph(), mask()), lossless=True),
    'jxl-lossless-grey': lambda: jxl(photograph()[..., 1], lossless=True),
}
"""What the extra ``formats`` reads and writes."""
FURTHER = {
    **{f'jpeg-orientation-{n}': lambda n=n: turned(n, quality=90) for n in range(1, 9)},
    'png-orientation-6': lambda: turned(6, 'PNG'),
    'webp-orientation-8': lambda: turned(8, 'WEBP', lossless=True),
    'tiff-orientation-5': lambda: turned(5, 'TIFF'),
    'jpeg-display-p3': lambda: saved(photograph(), 'JPEG', icc_profile=display_p3()),
    'jpeg-table-profile': lambda: saved(photograph(), 'JPEG', icc_profile=table_profile()),
    'png-table-profile': lambda: saved(photograph(), 'PNG', icc_profile=table_profile()),
    'jpeg-rgb': lambda: saved(photograph(), 'JPEG', keep_rgb=True, quality=92),
    'jpeg-restarts': lambda: saved(photograph(), 'JPEG', quality=88, restart_marker_rows=1),
    'jpeg-two-pictures': two_in_one,
    'png-transparent-color': lambda: saved(photograph(), 'PNG', transparency=(95, 95, 95)),
    'png-grey4': lambda: png_grey4(photograph()[..., 1] // 16),
    'png-palette-alpha': lambda: saved(
        Image.fromarray(with_alpha(photograph(), mask())).quantize(64), 'PNG'
    ),
    'webp-lossy-alpha': lambda: saved(with_alpha(photograph(), mask()), 'WEBP', quality=90),
    'tiff-palette': lambda: saved(Image.fromarray(photograph()).quantize(64), 'TIFF'),
    'tiff-bilevel': lambda: saved(
        Image.fromarray(photograph()).convert('1'), 'TIFF', compression='group4'
    ),
    'tiff-lab': lambda: saved(
        ImageCms.profileToProfile(
            Image.fromarray(photograph()),
            ImageCms.createProfile('sRGB'),
            ImageCms.createProfile('LAB'),
            outputMode='LAB',
        ),
        'TIFF',
    ),
    'bmp-palette': lambda: saved(Image.fromarray(photograph()).quantize(64), 'BMP'),
    'pbm': lambda: saved(Image.fromarray(photograph()).convert('1'), 'PPM'),
    'avif-alpha': lambda: saved(with_alpha(photograph(), mask()), 'AVIF', quality=90),
    'avif-lossless': lossless_avif,
    **EXTRA,
}
ALL_KINDS = KINDS | FURTHER
"""Every row of the table in docs/pictures.md, in its order or not."""
