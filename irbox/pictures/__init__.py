"""Reading and writing pictures so that nothing of them is lost; see ``docs/pictures.md``."""

from irbox.pictures.formats import (
    CHOICES,
    EXTENSIONS,
    FORMATS,
    SUFFIXES,
    format_by_name,
    format_of,
    output_format,
    output_suffix,
    suffix_of,
)
from irbox.pictures.open_source import picture_size
from irbox.pictures.picture import Metadata, Picture
from irbox.pictures.read_picture import read_picture
from irbox.pictures.record import read_record
from irbox.pictures.write_picture import check_format, write_picture

__all__ = [
    'CHOICES',
    'EXTENSIONS',
    'FORMATS',
    'SUFFIXES',
    'Metadata',
    'Picture',
    'check_format',
    'format_by_name',
    'format_of',
    'output_format',
    'output_suffix',
    'picture_size',
    'read_picture',
    'read_record',
    'suffix_of',
    'write_picture',
]
