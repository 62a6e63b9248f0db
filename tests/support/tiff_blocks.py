"""TIFF structures (EXIF blocks) laid out by hand: every offset is written where it is needed."""

import struct

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}


def ifd(order, at, entries, following=0):
    """One directory: (tag, type, value as bytes in the block's byte order), values behind it."""
    start = at + 2 + 12 * len(entries) + 4
    table, values = struct.pack(f'{order}H', len(entries)), b''
    for tag, kind, value in entries:
        table += struct.pack(f'{order}HHI', tag, kind, len(value) // SIZES[kind])
        if len(value) <= 4:
            table += value.ljust(4, b'\0')
        else:
            table += struct.pack(f'{order}I', start + len(values))
            values += value
    return table + struct.pack(f'{order}I', following) + values


def header(order, first=8):
    return (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(f'{order}I', first)


def short(order, value):
    return struct.pack(f'{order}H', value)


def long(order, *values):
    return struct.pack(f'{order}{len(values)}I', *values)


def camera_block(order='<', thumbnail=None, tail=b'', orientation=6):
    """An EXIF block as of a camera: sizes, resolutions, maker's notes, a position, a thumbnail."""
    exif, gps, second = 200, 300, 400
    own = [
        (0x0100, 4, long(order, 64)),
        (0x0101, 3, short(order, 48)),
        (0x010F, 2, b'Maker & Co\0'),
        (0x0112, 3, short(order, orientation)),
        (0x011A, 5, long(order, 72, 1)),
        (0x011B, 5, long(order, 144, 1)),
        (0x8769, 4, long(order, exif)),
        (0x8825, 4, long(order, gps)),
    ]
    below = [
        (0x927C, 7, b'maker notes, which count from the start'),
        (0xA002, 3, short(order, 64)),
        (0xA003, 4, long(order, 48)),
    ]
    where = [(1, 2, b'N\0'), (2, 5, long(order, 52, 1, 30, 1, 0, 1))]
    block = header(order) + ifd(order, 8, own, following=second if thumbnail else 0)
    block = block.ljust(exif, b'\0') + ifd(order, exif, below)
    block = block.ljust(gps, b'\0') + ifd(order, gps, where)
    if thumbnail:
        entries = [
            (0x0112, 3, short(order, orientation)),
            (0x0201, 4, long(order, 500)),
            (0x0202, 4, long(order, len(thumbnail))),
        ]
        block = block.ljust(second, b'\0') + ifd(order, second, entries)
        block = block.ljust(500, b'\0') + thumbnail
    return block + tail


def read_by_pillow(block):
    """The tags of the first directory, the EXIF one, the position and the thumbnail's."""
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif.load(block)
    parts = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.IFD1)
    return dict(exif), *(dict(exif.get_ifd(part)) for part in parts)
