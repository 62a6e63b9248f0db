"""The one door for image files, and that there is no other."""

import ast
import io

import pytest
from PIL import Image, UnidentifiedImageError

from irbox.pictures.formats import DATA_FORMATS, FORMATS
from irbox.pictures.open_image import bits_of, check_regular, has_several, open_image
from support.further_kinds import ALL_KINDS
from support.paths import ROOT
from support.picture_files import animation, photograph, saved

# Where a file may be opened by other means, and why.
ELSEWHERE = {
    'irbox/pictures/open_source.py': 'HEIC and JXL, of the extra, by their own package',
    'irbox/commands/loading_speed.py': 'the bare loop that ours is compared with, on its own files',
    'irbox/pictures/decode_deep.py': 'what the door has let in, with all its bits',
    'irbox/pictures/tiff.py': 'a TIFF file that was written just before',
}
OPENERS = {'open', 'imread', 'imdecode', 'TiffFile', 'Parser', 'decode_image', 'decode_jpeg'}
OWNERS = {'Image', 'cv2', 'tifffile', 'iio', 'imageio', 'io', 'ImageFile', 'plt', 'skimage'}


def opened_at(path):
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if node.func.attr in OPENERS and isinstance(owner, ast.Name) and owner.id in OWNERS:
                yield f'{owner.id}.{node.func.attr}'


def test_no_other_door():
    paths = [path for room in ('irbox', 'tools', 'plugins') for path in (ROOT / room).rglob('*.py')]
    found = {str(path.relative_to(ROOT)) for path in paths if set(opened_at(path))}
    assert found == set(ELSEWHERE), 'open it by irbox.pictures.open_image, or irbox.datasets'


@pytest.mark.parametrize('kind', FORMATS)
def test_formats(kind):
    values = photograph()
    data = saved(values, kind)
    image = open_image(io.BytesIO(data), FORMATS)
    assert (image.format, image.size) == (kind, (64, 48))
    assert bits_of(image, data) == 8 and not has_several(image)
    image.load()
    if kind == 'AVIF':
        with pytest.raises(UnidentifiedImageError, match='no image of a known type: JPEG, PNG'):
            open_image(io.BytesIO(data), DATA_FORMATS)


@pytest.mark.parametrize(
    ('name', 'bits'),
    [
        ('png-rgb16', 16),
        ('png-grey16-alpha', 16),
        ('png-grey4', 4),
        ('png-bilevel', 1),
        ('tiff-rgb16-planar', 16),
        ('tiff-grey16', 16),
        ('tiff-bilevel', 1),
        ('ppm16', 16),
        ('pgm', 8),
        ('gif', 8),
    ],
)
def test_bits(name, bits):
    data = ALL_KINDS[name]()
    assert bits_of(open_image(io.BytesIO(data), FORMATS), data) == bits


def test_depth_of_ppm_is_what_its_header_says_behind_any_comment():
    data = b'P6 #' + b'x' * 9000 + b'\n2 2 4095\n' + bytes(24)
    assert bits_of(open_image(io.BytesIO(data), FORMATS), data) == 12


def test_several_frames_are_told_from_one():
    for kind in ('GIF', 'PNG', 'WEBP', 'TIFF'):
        assert has_several(open_image(io.BytesIO(animation(kind)), FORMATS))
    assert not has_several(open_image(io.BytesIO(ALL_KINDS['jpeg-two-pictures']()), FORMATS))


def test_names_and_limits_of_pillow_play_no_part(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    assert open_image(io.BytesIO(saved(photograph(), 'PNG')), FORMATS).filename == ''


def test_regular_files(tmp_path):
    (tmp_path / 'a').write_bytes(b'')
    (tmp_path / 'b').symlink_to('a')
    check_regular(tmp_path / 'a')
    check_regular(str(tmp_path / 'b'))
    with pytest.raises(ValueError, match='it is a folder'):
        check_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / 'c')
