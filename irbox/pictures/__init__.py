"""Reading and writing pictures so that nothing of them is lost; see ``docs/pictures.md``."""

from irbox.pictures.formats import FORMATS, SUFFIXES, output_format, output_suffix
from irbox.pictures.open_source import picture_size
from irbox.pictures.picture import Metadata, Picture
from irbox.pictures.read_picture import read_picture
from irbox.pictures.record import read_record
from irbox.pictures.write_picture import write_picture

__all__ = [
    'FORMATS',
    'SUFFIXES',
    'Metadata',
    'Picture',
    'output_format',
    'output_suffix',
    'picture_size',
    'read_picture',
    'read_record',
    'write_picture',
]
