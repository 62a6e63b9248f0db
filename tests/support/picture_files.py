"""Picture files of many kinds, made on the fly from one photograph."""

import io
import struct
import zlib
from functools import cache

import numpy as np
import tifffile
from PIL import Image, ImageCms
from skimage.data import chelsea

HEIGHT, WIDTH = 48, 64


@cache
def photograph():
    """A small part of a photograph, (48, 64, 3) uint8, read-only."""
    values = chelsea()[60 : 60 + 4 * HEIGHT : 4, 100 : 100 + 4 * WIDTH : 4].copy()
    values.flags.writeable = False
    return values


@cache
def deep():
    """The same with 16 bits that 8 bits cannot hold."""
    noise = np.random.default_rng(0).integers(0, 257, (HEIGHT, WIDTH, 3))
    values = (photograph().astype(np.uint16) * 256 + noise).astype(np.uint16)
    values.flags.writeable = False
    return values


@cache
def mask():
    """An alpha that is 0, partly 0 to 255, and 255."""
    across = np.linspace(-60, 320, WIDTH).clip(0, 255).astype(np.uint8)
    return np.repeat(across[None], HEIGHT, axis=0)


def saved(values, kind, **options):
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def png_chunk(kind, content):
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack('>I4s', len(content), kind) + content + struct.pack('>I', check)


def png16(values, color_type, extra=()):
    """A 16-bit PNG file, written out by hand."""
    height, width = values.shape[:2]
    rows = values.astype('>u2').reshape(height, -1)
    raw = b''.join(b'\0' + row.tobytes() for row in rows)
    header = struct.pack('>IIBBBBB', width, height, 16, color_type, 0, 0, 0)
    chunks = [(b'IHDR', header), *extra, (b'IDAT', zlib.compress(raw)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(png_chunk(*one) for one in chunks)


def with_alpha(values, alpha):
    return np.dstack([values, alpha])


def deep_alpha():
    return mask().astype(np.uint16) * 257


def animation(kind):
    first, second = (Image.fromarray(one) for one in (photograph(), photograph()[::-1].copy()))
    options = {'lossless': True} if kind == 'WEBP' else {}
    return saved(first, kind, save_all=True, append_images=[second], **options)


@cache
def display_p3():
    """A matrix profile with the primaries of Display P3, as bytes."""
    return matrix_profile(((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)))


def matrix_profile(primaries):
    """An ICC profile of three primaries (xy) and white D65, with the tone curve of sRGB."""
    base = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes())
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    matrix = columns * np.linalg.solve(columns, white)
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    d50 = np.array([0.9642, 1, 0.8249])
    scale = np.diag((bradford @ d50) / (bradford @ white))
    adapted = np.linalg.inv(bradford) @ scale @ bradford @ matrix
    count = struct.unpack_from('>I', base, 128)[0]
    for index in range(count):
        tag, place, _ = struct.unpack_from('>4sII', base, 132 + 12 * index)
        if tag in (b'rXYZ', b'gXYZ', b'bXYZ'):
            column = adapted[:, 'rgb'.index(tag[:1].decode())]
            struct.pack_into('>iii', base, place + 8, *(round(v * 65536) for v in column))
    return bytes(base)


KINDS = {
    'png-rgb8': lambda: saved(photograph(), 'PNG'),
    'png-rgba8': lambda: saved(with_alpha(photograph(), mask()), 'PNG'),
    'png-grey8': lambda: saved(photograph()[..., 1], 'PNG'),
    'png-grey8-alpha': lambda: saved(with_alpha(photograph()[..., 1], mask()), 'PNG'),
    'png-rgb16': lambda: png16(deep(), 2),
    'png-rgba16': lambda: png16(with_alpha(deep(), deep_alpha()), 6),
    'png-grey16': lambda: png16(deep()[..., 1], 0),
    'png-grey16-alpha': lambda: png16(with_alpha(deep()[..., 1], deep_alpha()), 4),
    'png-palette': lambda: saved(Image.fromarray(photograph()).quantize(64), 'PNG'),
    'png-bilevel': lambda: saved(Image.fromarray(photograph()).convert('1'), 'PNG'),
    'apng': lambda: animation('PNG'),
    'jpeg-420': lambda: saved(photograph(), 'JPEG', quality=83, subsampling=2),
    'jpeg-422': lambda: saved(photograph(), 'JPEG', quality=71, subsampling=1),
    'jpeg-444-progressive': lambda: saved(
        photograph(), 'JPEG', quality=92, subsampling=0, progressive=True
    ),
    'jpeg-grey': lambda: saved(photograph()[..., 1], 'JPEG', quality=77),
    'jpeg-cmyk': lambda: saved(Image.fromarray(photograph()).convert('CMYK'), 'JPEG', quality=95),
    'webp-lossy': lambda: saved(photograph(), 'WEBP', quality=80),
    'webp-lossless': lambda: saved(photograph(), 'WEBP', lossless=True),
    'webp-lossless-alpha': lambda: saved(
        with_alpha(photograph(), mask()), 'WEBP', lossless=True, exact=True
    ),
    'webp-animation': lambda: animation('WEBP'),
    'tiff-rgb8': lambda: saved(photograph(), 'TIFF'),
    'tiff-rgb8-lzw': lambda: saved(photograph(), 'TIFF', compression='tiff_lzw'),
    'tiff-rgba8-deflate': lambda: saved(
        with_alpha(photograph(), mask()), 'TIFF', compression='tiff_adobe_deflate'
    ),
    'tiff-grey8-packbits': lambda: saved(photograph()[..., 1], 'TIFF', compression='packbits'),
    'tiff-rgb16': lambda: tiff(deep(), photometric='rgb'),
    'tiff-rgb16-big-endian': lambda: tiff(deep(), photometric='rgb', byteorder='>'),
    'tiff-rgb16-bigtiff': lambda: tiff(deep(), photometric='rgb', bigtiff=True),
    'tiff-rgb16-deflate': lambda: tiff(deep(), photometric='rgb', compression='zlib'),
    'tiff-rgb16-planar': lambda: tiff(
        deep().transpose(2, 0, 1).copy(), photometric='rgb', planarconfig='separate'
    ),
    'tiff-rgba16': lambda: tiff(
        with_alpha(deep(), deep_alpha()), photometric='rgb', extrasamples=['unassalpha']
    ),
    'tiff-grey16': lambda: tiff(deep()[..., 1], photometric='minisblack'),
    'tiff-grey16-alpha': lambda: tiff(
        with_alpha(deep()[..., 1], deep_alpha()),
        photometric='minisblack',
        planarconfig='contig',
        extrasamples=['unassalpha'],
    ),
    'tiff-float': lambda: tiff((deep() / 65535).astype(np.float32), photometric='rgb'),
    'tiff-float-grey': lambda: tiff(
        (deep()[..., 1] / 65535).astype(np.float32), photometric='minisblack'
    ),
    'tiff-cmyk': lambda: saved(Image.fromarray(photograph()).convert('CMYK'), 'TIFF'),
    'tiff-pages': lambda: saved(
        photograph(), 'TIFF', save_all=True, append_images=[Image.fromarray(photograph())]
    ),
    'bmp': lambda: saved(photograph(), 'BMP'),
    'bmp-grey': lambda: saved(photograph()[..., 1], 'BMP'),
    'gif': lambda: saved(photograph(), 'GIF'),
    'gif-animation': lambda: animation('GIF'),
    'ppm': lambda: saved(photograph(), 'PPM'),
    'pgm': lambda: saved(photograph()[..., 1], 'PPM'),
    'ppm16': lambda: f'P6\n{WIDTH} {HEIGHT}\n65535\n'.encode() + deep().astype('>u2').tobytes(),
    'pgm16': lambda: (
        f'P5\n{WIDTH} {HEIGHT}\n65535\n'.encode() + deep()[..., 1].astype('>u2').tobytes()
    ),
    'avif': lambda: saved(photograph(), 'AVIF', quality=90),
}
"""What each row of the table in docs/pictures.md is tested with."""
