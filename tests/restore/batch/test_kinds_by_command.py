"""Every kind of file through ``irbox restore``: a second reader sees that nothing was lost.

The network changes nothing, so that what differs is lost on the way. The rows are those of the
tables in ``docs/pictures.md``.
"""

import importlib.util
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from irbox.commands.main import main
from support.further_kinds import ALL_KINDS, EXTRA, display_p3, end_of, table_profile, turned
from support.paths import ROOT
from support.picture_files import photograph, saved
from support.second_reader import CONVERTED, LOSSY, PALETTES, second_reader
from support.tiny_model import tiny_model

NOTED = CONVERTED | {
    'jpeg-two-pictures': 'first picture',
    'png-palette-alpha': 'palette',
    'tiff-palette': 'palette',
    'tiff-bilevel': '1 bit',
    'tiff-lab': 'Lab',
    'bmp-palette': 'palette',
    'pbm': '1 bit',
    'avif-lossless': 'nearly lossless',
}
ANY_LOSSY = (*LOSSY, 'heic', 'jxl')
MISSING = {'heic': 'pillow_heif', 'jxl': 'pillow_jxl'}
TAGS = [
    '-IFD0:Make=Maker',
    '-ExifIFD:LensModel=50mm F1.8',
    '-GPS:GPSLatitude=52.5',
    '-GPS:GPSLatitudeRef=N',
    '-XMP-dc:Title=A cat',
]
BY_RESOURCES = ['-IPTC:City=Berlin', '-IPTC:Keywords=fur', '-Photoshop:URL=https://example.org']
COLUMNS = {
    'JPEG': ('jpg',),
    'PNG': ('png',),
    'WebP': ('webp',),
    'TIFF': ('tif',),
    'AVIF, HEIC, JXL': ('avif', 'heic', 'jxl'),
    'BMP': ('bmp',),
    'GIF': ('gif',),
    'PPM': ('ppm',),
}
TAGS_OF = {
    'EXIF with GPS and maker notes': r'IFD0:Make|ExifIFD:LensModel|GPS:GPSLatitude',
    'XMP, and the record': r'XMP-dc:Title',
    'IPTC': r'IPTC:',
    'Photoshop resources': r'Photoshop:URL$',
    'comment, text chunks': r'File:Comment|PNG:Title|GIF:Comment',
    'resolution': r'\w*:[XY]Resolution|PNG-pHYs:PixelsPerUnit|File:PixelsPerMeter',
}


def skip_without_decoder(kind):
    module = MISSING.get(kind.split('-')[0])
    if module is not None and importlib.util.find_spec(module) is None:
        pytest.skip(f'needs {module} (pip install irbox[formats])')


def whole_pictures():
    """One file of each format, with a profile, a resolution and a comment."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text('Title', 'A cat')
    own = {
        'jpg': ('JPEG', {'dpi': (300, 200), 'comment': b'A cat'}),
        'png': ('PNG', {'dpi': (300, 200), 'pnginfo': text}),
        'webp': ('WEBP', {'lossless': True}),
        'tif': ('TIFF', {'dpi': (300, 200)}),
        'avif': ('AVIF', {}),
        'heic': ('HEIF', {}),
        'jxl': ('JXL', {}),
        'bmp': ('BMP', {'dpi': (300, 200)}),
        'gif': ('GIF', {'comment': b'A cat'}),
        'ppm': ('PPM', {}),
    }
    for end, (kind, options) in own.items():
        module = MISSING.get(end)
        if module is not None:
            if importlib.util.find_spec(module) is None:
                continue
            EXTRA[end]()  # registers the encoder
        profile = {} if end in ('bmp', 'gif', 'ppm') else {'icc_profile': display_p3()}
        yield end, saved(photograph(), kind, **options, **profile)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """All kinds of files, and what one call of the command makes of them."""
    place = tmp_path_factory.mktemp('kinds')
    model = tiny_model()
    with torch.no_grad():
        model.network.output.weight.zero_()
    model.save(place / 'model')
    for name in ('kinds', 'whole'):
        (place / name).mkdir()
    for kind, make in ALL_KINDS.items():
        module = MISSING.get(kind.split('-')[0])
        if module is None or importlib.util.find_spec(module) is not None:
            (place / 'kinds' / f'{kind}.{end_of(kind)}').write_bytes(make())
    for end, content in whole_pictures():
        (place / 'whole' / f'a.{end}').write_bytes(content)
    if shutil.which('exiftool'):
        files = [one for one in (place / 'whole').iterdir() if one.suffix in ENDS_OF_TAGS]
        set_tags(TAGS, files)
        set_tags(BY_RESOURCES, [one for one in files if one.suffix in ('.jpg', '.tif')])
    where = ['--out', str(place / 'out'), '--report', str(place / 'r.json'), '--recursive']
    inputs = [str(place / 'kinds'), str(place / 'whole')]
    assert main(['restore', *inputs, *where, '--model', str(place / 'model')]) == 0
    return place


ENDS_OF_TAGS = ('.jpg', '.png', '.webp', '.tif', '.avif', '.heic', '.jxl')


def set_tags(tags, files):
    command = ['exiftool', '-q', '-m', '-n', '-overwrite_original', *tags, *map(str, files)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope='module')
def notes(folder):
    """Name -> what was said of it."""
    pictures = json.loads((folder / 'r.json').read_text())['pictures']
    assert {one['status'] for one in pictures} == {'restored'}
    return {one['source'].rpartition('/')[2]: one['notes'] for one in pictures}


@pytest.fixture(scope='module')
def tags(folder):
    """Path -> tags, by exiftool."""
    if shutil.which('exiftool') is None:
        pytest.skip('needs exiftool (apt-get install libimage-exiftool-perl)')
    command = ['exiftool', '-j', '-G1', '-n', str(folder / 'whole'), *map(str, answers(folder))]
    read = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {one['SourceFile']: one for one in read}


def answers(folder):
    return sorted((folder / 'out').glob('a.*'))


def before_and_after(folder, kind):
    name = f'{kind}.{end_of(kind)}'
    return (folder / 'kinds' / name).read_bytes(), (folder / 'out' / name).read_bytes()


@pytest.mark.parametrize('kind', ALL_KINDS)
def test_pixels_size_and_format_stay(kind, folder):
    skip_without_decoder(kind)
    given, written = before_and_after(folder, kind)
    if kind.startswith('tiff') and not kind.startswith(('tiff-palette', 'tiff-lab')):
        assert written[:2] == b'II'  # Pillow does not open them all
    else:
        first, second = (Image.open(io.BytesIO(one)) for one in (given, written))
        assert second.format == {'MPO': 'JPEG'}.get(first.format, first.format)
        assert getattr(second, 'n_frames', 1) == 1
    if kind in NOTED or kind == 'png-transparent-color':
        wide = 'RGBA' if 'alpha' in kind or 'transparent' in kind else 'RGB'
        first, second = (
            np.asarray(Image.open(io.BytesIO(one)).convert(wide), dtype=int)
            for one in (given, written)
        )
        assert first.shape == second.shape
        limit = 12 if kind in PALETTES or 'lab' in kind or 'cmyk' in kind else 2
        assert np.abs(first - second).mean() < limit
        return
    if 'orientation' in kind:
        first, second = (Image.open(io.BytesIO(one)) for one in (given, written))
        first = np.asarray(ImageOps.exif_transpose(first), dtype=int)
        second = np.asarray(second, dtype=int)
    else:
        first, second = second_reader(kind, given), second_reader(kind, written)
        if kind == 'tiff-rgb16-planar':
            first = first.transpose(1, 2, 0)
        assert first.dtype == second.dtype
    assert first.shape == second.shape
    if kind.startswith(ANY_LOSSY) and 'lossless' not in kind:
        assert np.abs(second.astype(int) - first).mean() < 2.5
    else:
        np.testing.assert_array_equal(second, first)


@pytest.mark.parametrize('kind', ALL_KINDS)
def test_what_is_converted_is_said(kind, notes):
    skip_without_decoder(kind)
    said = notes[f'{kind}.{end_of(kind)}']
    said = [one for one in said if 'no XMP' not in one]  # the record, which has no place in some
    if kind in NOTED:
        assert any(NOTED[kind] in one for one in said)
    else:
        assert said == []


@pytest.mark.parametrize('kind', [one for one in ALL_KINDS if one.startswith('jpeg')])
def test_jpeg_keeps_its_encoding(kind, folder):
    first, second = (Image.open(io.BytesIO(one)) for one in before_and_after(folder, kind))
    if 'cmyk' in kind:
        return
    exchanged = kind[-1] in '5678' and 'orientation' in kind
    tables = [
        [np.reshape(one.quantization[layer[3]], (8, 8)) for layer in one.layer]
        for one in (first, second)
    ]
    expected = [one.T for one in tables[0]] if exchanged else tables[0]
    np.testing.assert_array_equal(tables[1], expected)
    if not exchanged:
        assert [one[1:3] for one in second.layer] == [one[1:3] for one in first.layer]
    assert second.info.get('progressive') == first.info.get('progressive')


@pytest.mark.parametrize('kind', [one for one in ALL_KINDS if 'orientation' in one])
def test_orientation_is_reset(kind, folder):
    _, written = before_and_after(folder, kind)
    assert Image.open(io.BytesIO(written)).getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize('kind', [one for one in ALL_KINDS if 'profile' in one or 'p3' in one])
def test_profiles_stay_to_the_byte(kind, folder):
    _, written = before_and_after(folder, kind)
    expected = display_p3() if 'p3' in kind else table_profile()
    assert Image.open(io.BytesIO(written)).info['icc_profile'] == expected


def rows(title, end):
    text = (ROOT / 'docs' / 'pictures.md').read_text(encoding='utf-8')
    part = text[text.index(title) : text.index(end, text.index(title))]
    table = [line.strip('|').split('|') for line in part.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in row] for row in table if not row[0].startswith('---')]


def test_the_table_of_kinds_has_the_rows_of_this_test():
    documented = []
    for first, *_ in rows('## Kinds of files', 'Further rules')[1:]:
        first = re.sub(
            r'`([a-z-]+)-(\d)` to `\1-(\d)`',
            lambda one: ' '.join(f'`{one[1]}-{n}`' for n in range(int(one[2]), int(one[3]) + 1)),
            first,
        )
        documented += re.findall(r'`([^`]+)`', first)
    assert sorted(documented) == sorted(ALL_KINDS)


HEADS, *METADATA = rows('## Metadata', 'Checked against')
CELLS = [
    (row[0], column, end)
    for row in METADATA
    for column, cell in zip(HEADS[1:], row[1:], strict=True)
    for end in COLUMNS[column]
    if cell == 'y'
]


def test_the_table_of_metadata_has_the_rows_of_this_test():
    assert {row[0] for row in METADATA} == {*TAGS_OF, 'color profile'}
    assert set(HEADS[1:]) == set(COLUMNS)
    assert len(CELLS) > 25


@pytest.mark.parametrize(('what', 'column', 'end'), CELLS)
def test_metadata_stay(what, column, end, folder, tags):
    skip_without_decoder(end)
    if what == 'color profile':
        before, after = (
            Image.open(folder / place / f'a.{end}').info['icc_profile']
            for place in ('whole', 'out')
        )
        # libjxl keeps what a profile says, not its bytes.
        assert after == before and (before == display_p3() or end == 'jxl')
        return
    before, after = (
        {key: value for key, value in one.items() if re.match(TAGS_OF[what], key)}
        for one in (tags[str(folder / place / f'a.{end}')] for place in ('whole', 'out'))
    )
    assert before
    assert after == before
    if what.startswith('XMP'):
        assert tags[str(folder / 'out' / f'a.{end}')]['XMP-irbox:Model'] == 'tiny'


@pytest.mark.parametrize(('width', 'height'), [(1, 1), (8, 3000), (6000, 8), (1, 300), (2, 1)])
@pytest.mark.parametrize('end', ['png', 'jpg'])
def test_narrow_pictures(width, height, end, folder):
    name = f'{width}x{height}.{end}'
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(folder / name)
    arguments = [
        str(folder / name),
        '--out',
        str(folder / 'narrow'),
        '--tile',
        '512',
        '--overwrite',
    ]
    assert main(['restore', *arguments, '--model', str(folder / 'model')]) == 0
    written = np.asarray(Image.open(folder / 'narrow' / name))
    assert written.shape == values.shape
    if end == 'png':
        np.testing.assert_array_equal(written, values)


def test_turned_agrees_with_the_names():
    """The kinds are what they say: orientation 6 needs a quarter turn."""
    assert Image.open(io.BytesIO(turned(6))).getexif()[0x0112] == 6
