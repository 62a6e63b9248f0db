"""What a file says beside its pixels: written by exiftool, restored, and read back by exiftool."""

import io

import numpy as np
import pytest
from PIL import Image

from irbox.pictures import read_picture, read_record, write_picture
from support.picture_files import KINDS, display_p3, photograph, saved

TAGS = [
    '-IFD0:Make=Maker',
    '-IFD0:Model=Model 1',
    '-IFD0:Artist=Zoë Müller',
    '-ExifIFD:DateTimeOriginal=2020:01:02 03:04:05',
    '-ExifIFD:ExposureTime=0.005',
    '-ExifIFD:LensModel=50mm F1.8',
    '-GPS:GPSLatitude=52.5',
    '-GPS:GPSLatitudeRef=N',
    '-GPS:GPSLongitude=13.25',
    '-GPS:GPSLongitudeRef=E',
    '-XMP-dc:Title=A cat',
    '-XMP-dc:Subject=cat',
    '-XMP-dc:Subject+=fur',
    '-XMP-exif:GPSLatitude=52.5',
    '-XMP-xmp:Rating=4',
]
IPTC = ['-IPTC:City=Berlin', '-IPTC:Keywords=cat', '-IPTC:Keywords+=fur']
# Of the file and of how its pixels are stored, not of the picture.
OWN = ('SourceFile', 'ExifTool:', 'System:', 'File:', 'Composite:', 'PNG:', 'RIFF:', 'Photoshop:')
STORED = (
    'Offset',
    'Offsets',
    'ByteCounts',
    'RowsPerStrip',
    'PhotometricInterpretation',
    'XMPToolkit',
)
FILES = {
    'jpeg': ('jpg', 'jpeg-420', TAGS + IPTC),
    'png': ('png', 'png-rgb8', TAGS),
    'png16': ('png', 'png-rgba16', TAGS),
    'webp': ('webp', 'webp-lossless', TAGS),
    'tiff': ('tif', 'tiff-rgb8', TAGS + IPTC),
    'tiff-lzw': ('tif', 'tiff-rgb8-lzw', TAGS + IPTC),
    'tiff16': ('tif', 'tiff-rgb16', TAGS + IPTC),
    'tiff16-big-endian': ('tif', 'tiff-rgb16-big-endian', TAGS + IPTC),
    'tiff-float': ('tif', 'tiff-float', TAGS + IPTC),
}


def restore(source, target, **options):
    picture = read_picture(source)
    return picture.notes + write_picture(picture, picture.pixels, target, **options)


def comparable(tags):
    return {
        key: value
        for key, value in tags.items()
        if not key.startswith(OWN) and not key.endswith(STORED)
    }


@pytest.fixture
def tagged(tmp_path, set_tags):
    def make(kind, *more):
        suffix, name, tags = FILES[kind]
        path = tmp_path / f'in.{suffix}'
        path.write_bytes(KINDS[name]())
        set_tags(path, *tags, *more)
        return path, tmp_path / f'out.{suffix}'

    return make


@pytest.mark.parametrize('kind', FILES)
def test_exif_xmp_and_iptc_stay(kind, tagged, exiftool):
    path, out = tagged(kind)
    assert restore(path, out) == []
    before, after = comparable(exiftool(path)), comparable(exiftool(out))
    assert len(before) > 15
    assert {key: after.get(key) for key in before} == before


@pytest.mark.parametrize(
    ('kind', 'orientation'),
    [('jpeg', one) for one in range(1, 9)]
    + [(kind, one) for kind in FILES if kind != 'jpeg' for one in (4, 6, 8)],
)
def test_orientation_is_applied_once_and_reset(kind, orientation, tagged, exiftool):
    path, out = tagged(
        kind,
        f'-IFD0:Orientation={orientation}',
        f'-XMP-tiff:Orientation={orientation}',
        '-ExifIFD:ExifImageWidth=64',
        '-ExifIFD:ExifImageHeight=48',
        '-XMP-exif:ExifImageWidth=64',
        '-XMP-exif:ExifImageHeight=48',
    )
    assert restore(path, out) == []
    tags = exiftool(out)
    width, height = (48, 64) if orientation > 4 else (64, 48)
    assert tags.get('IFD0:Orientation', 1) == 1
    assert tags['XMP-tiff:Orientation'] == 1
    assert (tags['ExifIFD:ExifImageWidth'], tags['ExifIFD:ExifImageHeight']) == (width, height)
    assert (tags['XMP-exif:ExifImageWidth'], tags['XMP-exif:ExifImageHeight']) == (width, height)
    picture = read_picture(out)
    assert picture.size == (width, height)
    np.testing.assert_allclose(
        picture.pixels.astype(float), read_picture(path).pixels, atol=40 if kind == 'jpeg' else 0
    )


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turning_agrees_with_pillow(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(photograph(), 'PNG', exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(read_picture(data).pixels, expected)


@pytest.mark.parametrize('kind', FILES)
def test_strip_gps(kind, tagged, exiftool):
    path, out = tagged(kind)
    assert any('GPS' in key for key in comparable(exiftool(path)))
    restore(path, out, strip=('gps',))
    tags = exiftool(out)
    assert not [key for key in tags if 'GPS' in key]
    assert tags['IFD0:Make'] == 'Maker'
    assert tags['ExifIFD:LensModel'] == '50mm F1.8'
    assert tags['XMP-dc:Subject'] == ['cat', 'fur']
    assert tags.get('IPTC:City', 'Berlin') == 'Berlin'


@pytest.mark.parametrize('kind', FILES)
def test_strip_all(kind, tagged, exiftool):
    path, out = tagged(kind)
    restore(path, out, strip=('all',))
    left = exiftool(out)
    assert not [k for k in left if k.startswith(('XMP', 'GPS', 'IPTC', 'ExifIFD'))]
    assert not {'IFD0:Make', 'IFD0:Artist'} & left.keys()


def test_thumbnail_shows_the_restored_picture(tmp_path, set_tags, exiftool):
    path, out, old, new = (tmp_path / name for name in ('in.jpg', 'out.jpg', 'old.jpg', 'new.jpg'))
    Image.fromarray(photograph()).save(path, exif=Image.Exif())
    Image.fromarray(photograph()[::2, ::2]).save(old)
    set_tags(path, *TAGS, '-IFD0:Orientation=6', f'-ThumbnailImage<={old}')
    picture = read_picture(path)
    write_picture(picture, 255 - picture.pixels, out)
    tags = exiftool(out, '-b', '-IFD1:all')
    assert tags['IFD1:ThumbnailLength'] > 0
    import base64

    new.write_bytes(base64.b64decode(tags['IFD1:ThumbnailImage'].removeprefix('base64:')))
    thumbnail = Image.open(new)
    assert thumbnail.size == (48, 64)
    near = np.asarray(thumbnail, dtype=float) - (255 - picture.pixels.astype(float))
    assert np.abs(near).mean() < 12
    assert exiftool(out)['ExifIFD:LensModel'] == '50mm F1.8'


def test_maker_notes_stay_at_their_place(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    exif[0x8769] = {0x927C: b'NOTES' * 40, 0xA002: 64, 0xA003: 48}
    exif[0x8825] = {1: 'N', 2: (52.0, 30.0, 0.0)}
    data = saved(photograph(), 'JPEG', exif=exif)
    for strip in ((), ('gps',)):
        buffer = io.BytesIO()
        picture = read_picture(data)
        write_picture(picture, picture.pixels, buffer, strip=strip)
        written = Image.open(buffer).info['exif']
        assert written.index(b'NOTES' * 40) == Image.open(io.BytesIO(data)).info['exif'].index(
            b'NOTES' * 40
        )


def test_png_text_chunks_stay(tmp_path, exiftool):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text('Title', 'A cat')
    info.add_text('Comment', 'x' * 2000, zip=True)
    info.add_itxt('Author', 'Zoë', 'en', 'Author')
    for name in ('png-rgb8', 'png-rgb16'):
        path, out = tmp_path / f'{name}.png', tmp_path / f'{name}-out.png'
        if name == 'png-rgb8':
            path.write_bytes(saved(photograph(), 'PNG', pnginfo=info, dpi=(300, 200), gamma=0.5))
        else:
            data = KINDS[name]()
            from PIL.PngImagePlugin import getchunks

            from support.picture_files import png_chunk

            chunks = getchunks(Image.new('L', (1, 1)), pnginfo=info, dpi=(300, 200))
            extra = [png_chunk(k, c) for k, c, _ in chunks if k not in (b'IHDR', b'IDAT', b'IEND')]
            path.write_bytes(data[:33] + b''.join(extra) + data[33:])
        restore(path, out)
        before, after = (
            {k: v for k, v in exiftool(one).items() if k.startswith('PNG')} for one in (path, out)
        )
        assert 'PNG:Title' in before and 'PNG-pHYs:PixelsPerUnitX' in before
        assert {**before, 'PNG:Filter': 0} == {**after, 'PNG:Filter': 0}


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF', 'BMP'])
def test_resolution_stays_and_turns_with_the_picture(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    turns = {} if kind == 'BMP' else {'exif': exif}
    data = saved(photograph(), kind, dpi=(300, 150), **turns)
    buffer = io.BytesIO()
    restore(data, buffer)
    expected = (300, 150) if kind == 'BMP' else (150, 300)
    got = Image.open(buffer).info['dpi']
    assert [round(float(one)) for one in got] == list(expected)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF', 'AVIF'])
def test_wide_gamut_keeps_its_profile_and_its_values(kind):
    profile = display_p3()
    values = photograph().copy()
    values[:8, :8] = (255, 0, 0)  # the red of Display P3, outside of sRGB
    options = {'WEBP': {'lossless': True}, 'JPEG': {'quality': 95, 'subsampling': 0}}.get(kind, {})
    data = saved(values, kind, icc_profile=profile, **options)
    picture = read_picture(data)
    buffer = io.BytesIO()
    assert write_picture(picture, picture.pixels, buffer) == []
    after = Image.open(buffer)
    assert after.info['icc_profile'] == profile
    assert np.abs(np.asarray(after)[2, 2].astype(int) - (255, 0, 0)).max() <= 12


def test_a_record_is_read_back_and_replaced(tagged, exiftool):
    record = {'model': 'sha256:ab', 'seconds': 1.5, 'tile': None, 'settings': {'<a>': [1, '2']}}
    record |= {'version': '0.1.0', 'number': '7'}
    for kind in FILES:
        path, out = tagged(kind)
        assert restore(path, out, record={**record, 'old': 1}) == []
        restore(out, path, record=record)
        assert read_record(path) == record
        tags = exiftool(path)
        assert tags['XMP-irbox:Model'] == 'sha256:ab'
        assert tags['XMP-dc:Subject'] == ['cat', 'fur']
    assert read_record(KINDS['jpeg-420']()) is None


def test_icc_and_exif_travel_to_other_formats(tmp_path, set_tags, exiftool):
    path = tmp_path / 'in.jpg'
    path.write_bytes(saved(photograph(), 'JPEG', icc_profile=display_p3(), dpi=(300, 300)))
    set_tags(path, *TAGS, *IPTC)
    for choice, suffix in (('png', 'png'), ('webp', 'webp'), ('tiff', 'tif'), ('jpg', 'jpg')):
        out = tmp_path / f'out.{suffix}'
        notes = restore(path, out, format=choice)
        tags = exiftool(out)
        assert tags['ExifIFD:LensModel'] == '50mm F1.8'
        assert tags['GPS:GPSLatitude'] == 52.5
        assert tags['XMP-dc:Title'] == 'A cat'
        assert Image.open(out).info['icc_profile'] == display_p3()
        assert any('IPTC' in note for note in notes) == (choice in ('png', 'webp'))
        assert tags.get('IPTC:City') == (None if choice in ('png', 'webp') else 'Berlin')


def test_tiff_exif_travels_to_jpeg(tagged, exiftool, tmp_path):
    path, _ = tagged('tiff16-big-endian', '-IFD0:Orientation=8')
    out = tmp_path / 'out.jpg'
    notes = restore(path, out, format='jpg')
    assert notes == ['16-bit values were rounded to 8-bit, all that JPEG holds here.']
    tags = exiftool(out)
    assert tags['IFD0:Orientation'] == 1
    assert tags['IFD0:Artist'] == 'Zoë Müller'
    assert tags['IPTC:Keywords'] == ['cat', 'fur']
    assert tags['GPS:GPSLatitude'] == 52.5
