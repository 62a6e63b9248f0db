"""The fixed list of file formats, and what is told apart from them by its first bytes."""

from __future__ import annotations

from pathlib import Path

from irbox.utils.optional import require

FORMATS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'GIF', 'PPM', 'AVIF')
"""What Pillow itself may open. Anything else, such as EPS, would start a program."""

DATA_FORMATS = FORMATS[:-1]
"""What data sets may hold: the same without AVIF."""

OPTIONAL = {'HEIF': 'pillow_heif', 'JXL': 'pillow_jxl'}
"""Formats whose decoder the extra ``formats`` brings, and its module."""

SUFFIXES = {
    'JPEG': ('.jpg', '.jpeg', '.jfif', '.jpe'),
    'PNG': ('.png', '.apng'),
    'WEBP': ('.webp',),
    'TIFF': ('.tif', '.tiff'),
    'BMP': ('.bmp', '.dib'),
    'GIF': ('.gif',),
    'PPM': ('.ppm', '.pgm', '.pnm', '.pbm'),
    'AVIF': ('.avif',),
    'HEIF': ('.heic', '.heif'),
    'JXL': ('.jxl',),
}
"""The first suffix is what a file gets where its own does not fit."""

EXTENSIONS = frozenset(one for ends in SUFFIXES.values() for one in ends)
"""All of them, in lower case: what is looked for in folders."""

CHOICES = {'png': 'PNG', 'jpg': 'JPEG', 'webp': 'WEBP', 'tiff': 'TIFF'}
"""What a user may ask for, beside ``keep``."""

_STARTS = (
    *((b'\xff\xd8\xff', 'JPEG'), (b'\x89PNG\r\n\x1a\n', 'PNG'), (b'GIF8', 'GIF'), (b'BM', 'BMP')),
    *((start, 'TIFF') for start in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+', b'MM*\0', b'II\0*')),
    *(
        (f'P{kind}'.encode() + end, 'PPM')
        for kind in '123456'
        for end in (b'\n', b' ', b'\r', b'\t')
    ),
)
RAW_SUFFIXES = frozenset(
    ['.3fr', '.arw', '.cr2', '.cr3', '.crw', '.dcr', '.dng', '.erf', '.iiq', '.kdc', '.mef', '.mos']
    + ['.mrw', '.nef', '.nrw', '.orf', '.pef', '.raf', '.raw', '.rw2', '.rwl', '.sr2', '.srf']
    + ['.srw', '.x3f']
)
_RAW_STARTS = (b'FUJIFILMCCD-RAW', b'IIRO', b'IIRS', b'MMOR', b'IIU\0', b'FOVb', b'\0MRM')
_HEIF_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')


def is_raw(name: str, head: bytes) -> bool:
    """Tell whether a file is a camera's raw file, by its name or its first bytes."""
    raw_start = head.startswith(_RAW_STARTS) or head[8:10] == b'CR' or head[4:12] == b'ftypcrx '
    # By name, too: most raw files are TIFF files, of which Pillow would show the small preview.
    tiff_start = head[:4] in (b'II*\0', b'MM\0*')
    return raw_start or (Path(name).suffix.lower() in RAW_SUFFIXES and tiff_start)


def allowed_formats(name: str, head: bytes) -> tuple[str, ...]:
    """Return the formats that Pillow may try on a file, after loading an optional decoder.

    Raises:
        ValueError: The file is a camera's raw file, or its decoder is not installed.
    """
    if is_raw(name, head):
        raise ValueError(
            f'Picture {name} is a camera raw file, which irbox does not develop. '
            'Export it as a 16-bit TIFF or PNG from a raw developer and restore that.'
        )
    optional = _optional_format(head)
    if optional is None:
        return FORMATS
    try:
        module = require(
            OPTIONAL[optional], package="'irbox[formats]'", needed_by=f'Picture {name} ({optional})'
        )
    except ImportError as error:
        raise ValueError(f'{error}.') from error
    if optional == 'HEIF':
        module.register_heif_opener()
    return (optional,)


def _optional_format(head: bytes) -> str | None:
    if head[4:8] == b'ftyp' and head[8:12] in _HEIF_BRANDS and b'avif' not in head[:64]:
        return 'HEIF'
    if head.startswith((b'\xff\x0a', b'\0\0\0\x0cJXL \r\n\x87\n')):
        return 'JXL'
    return None


def output_format(source: str, choice: str) -> str:
    """Return the format that a picture is written in.

    Args:
        source: Format of the picture, by Pillow's name.
        choice: ``'keep'``, or one of ``CHOICES``.

    Raises:
        ValueError: The choice is unknown.
    """
    if choice == 'keep':
        return source
    if choice not in CHOICES:
        raise ValueError(f'format={choice!r} is unknown. Take one of: keep, {", ".join(CHOICES)}.')
    return CHOICES[choice]


def output_suffix(source: str, choice: str, own: str = '') -> str:
    """Return the suffix that the written file should have: its own where that fits.

    Args:
        source: Format of the picture, by Pillow's name.
        choice: ``'keep'``, or one of ``CHOICES``.
        own: Suffix of the input file.
    """
    fitting = SUFFIXES[output_format(source, choice)]
    return own if own.lower() in fitting else fitting[0]


def format_of(head: bytes) -> str | None:
    """Tell a file's format by its first 64 bytes, as Pillow names it; None where it is unknown."""
    if head[:4] == b'RIFF' and head[8:12] == b'WEBP':
        return 'WEBP'
    if head[4:8] == b'ftyp' and (b'avif' in head[8:64] or head[8:12] == b'avis'):
        return 'AVIF'
    found = next((name for start, name in _STARTS if head.startswith(start)), None)
    return found or _optional_format(head)


def suffix_of(head: bytes, own: str) -> str:
    """Return the suffix that is true for a file.

    Args:
        head: Its first 64 bytes.
        own: Its own suffix, which it keeps unless it promises another format.
    """
    found = format_of(head)
    return own if found is None else output_suffix(found, 'keep', own)


def format_by_name(name: Path) -> str | None:
    """Return the format that a file's name promises; None where its suffix is no picture's."""
    suffix = name.suffix.lower()
    return next((one for one, fitting in SUFFIXES.items() if suffix in fitting), None)


def check_suffix(name: Path, written: str) -> None:
    """Refuse a file name that promises another format than the one written.

    Raises:
        ValueError: The suffix belongs to another format.
    """
    other = format_by_name(name)
    if other not in (None, written):
        raise ValueError(
            f'{name} is named as {other}, but {written} would be written. '
            f'Name it {name.with_suffix(SUFFIXES[written][0]).name}, or ask for another format.'
        )
