"""Writing: depth, grey, alpha, formats, and calls that are wrong."""

import io

import numpy as np
import pytest
from PIL import Image

from irbox.pictures import output_suffix, read_picture, read_record, write_picture
from irbox.pictures.values import to_depth
from support.picture_files import KINDS, deep, mask, photograph, saved, with_alpha


def written(name, restored=None, **options):
    picture = read_picture(KINDS[name]())
    buffer = io.BytesIO()
    restored = picture.pixels if restored is None else restored
    notes = write_picture(picture, restored, buffer, **options)
    return read_picture(buffer.getvalue()), notes


@pytest.mark.parametrize('name', ['png-rgb8', 'png-rgb16', 'tiff-float'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_restored_values_of_any_depth(name, dtype):
    fractions = deep().astype(np.float64) / 65535
    largest = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    given = (fractions * largest).astype(dtype) if largest == 1 else np.rint(fractions * largest)
    got, _ = written(name, given.astype(dtype))
    top = {np.uint8: 255, np.uint16: 65535}.get(got.pixels.dtype.type, 1)
    step = max(1 / largest if largest > 1 else 0, 1 / top if top > 1 else 0)
    assert np.abs(got.pixels / top - fractions).max() <= step / 2 * 1.01 + 1e-7


def test_every_depth_and_back():
    bytes_ = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_depth(to_depth(bytes_, np.uint16), np.uint8), bytes_)
    np.testing.assert_array_equal(to_depth(to_depth(bytes_, np.float32), np.uint8), bytes_)
    words = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(to_depth(to_depth(words, np.float32), np.uint16), words)
    expected = np.rint(words / 257).astype(np.uint8)
    np.testing.assert_array_equal(to_depth(words, np.uint8), expected)
    np.testing.assert_array_equal(to_depth(np.float32([-1, 2]), np.dtype(np.uint8)), [0, 255])


@pytest.mark.parametrize('name', ['png-rgba8', 'webp-lossless-alpha', 'tiff-rgba16', 'png-rgba16'])
def test_fully_transparent_pixels_stay_as_they_were(name):
    before = read_picture(KINDS[name]())
    after, _ = written(name, 1 - before.pixels / np.float32(np.iinfo(before.pixels.dtype).max))
    clear = before.alpha == 0
    assert 0.1 < clear.mean() < 0.5
    np.testing.assert_array_equal(after.pixels[clear], before.pixels[clear])
    assert (after.pixels[~clear] != before.pixels[~clear]).mean() > 0.9
    np.testing.assert_array_equal(after.alpha, before.alpha)


def test_another_alpha():
    picture, _ = written('png-rgba8', alpha=np.full((48, 64), 0.5, np.float32))
    assert (picture.alpha == 128).all()


def test_grey_is_weighed_as_by_pillow():
    colors = photograph()
    picture, _ = written('png-grey8', colors)
    expected = np.asarray(Image.fromarray(colors).convert('L')).astype(int)
    assert picture.gray
    assert np.abs(picture.pixels[..., 0].astype(int) - expected).max() <= 1


def test_float_pixels_outside_the_range_pass_through():
    import tifffile

    values = (deep() / 65535).astype(np.float32)
    values[0, 0] = (-0.25, 3.5, 0.5)
    values[0, 1] = np.nan
    source, target = io.BytesIO(), io.BytesIO()
    tifffile.imwrite(source, values, photometric='rgb')
    picture = read_picture(source.getvalue())
    write_picture(picture, values * np.float32(0), target)
    after = tifffile.imread(io.BytesIO(target.getvalue()))
    np.testing.assert_array_equal(after[0, :2], values[0, :2])
    assert (after[1:] == 0).all()


@pytest.mark.parametrize('choice', ['png', 'jpg', 'webp', 'tiff'])
@pytest.mark.parametrize('name', ['png-rgb16', 'jpeg-grey', 'tiff-float', 'gif', 'bmp'])
def test_other_formats(choice, name):
    picture, notes = written(name, format=choice)
    assert picture.format == {'jpg': 'JPEG'}.get(choice, choice.upper())
    held = {'png': 16, 'tiff': 32}.get(choice, 8)
    bits = {'png-rgb16': 16, 'tiff-float': 32}.get(name, 8)
    assert picture.pixels.dtype.itemsize * 8 == min(held, bits)
    assert any('rounded' in note for note in notes) == (bits > held)


@pytest.mark.parametrize('name', ['png-rgba8', 'tiff-rgba16', 'png-grey8-alpha'])
def test_jpeg_refuses_transparency(name):
    with pytest.raises(ValueError, match='transparent pixels.*--format png'):
        written(name, format='jpg')
    _, notes = written(name, format='jpg', alpha=np.full((48, 64), 255, np.uint8))
    assert any('alpha' in note for note in notes)


def test_quality():
    size = {}
    for quality in (20, 90):
        buffer = io.BytesIO()
        picture = read_picture(KINDS['jpeg-420']())
        write_picture(picture, picture.pixels, buffer, quality=quality)
        size[quality] = buffer.tell()
        assert Image.open(buffer).layer == Image.open(io.BytesIO(KINDS['jpeg-420']())).layer
    assert size[20] < size[90] / 2


@pytest.mark.parametrize('turn', [1, 6])
@pytest.mark.parametrize('subsampling', ['4:4:4', '4:2:2', '4:4:0', '4:2:0', '4:1:1'])
def test_subsampling_that_pillow_cannot_write(subsampling, turn):
    """4:4:0 and 4:1:1 become 4:4:4, with a note; turned, 4:2:2 is 4:4:0 and the other way round."""
    import cv2

    flag = {'4:4:4': 0x111111, '4:2:2': 0x211111, '4:4:0': 0x121111, '4:2:0': 0x221111}
    flag['4:1:1'] = 0x411111
    code = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, flag[subsampling]]
    data = cv2.imencode('.jpg', photograph()[..., ::-1], code)[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = turn
    content = exif.tobytes()
    data = data[:2] + b'\xff\xe1' + (len(content) + 2).to_bytes(2, 'big') + content + data[2:]
    picture, buffer = read_picture(data), io.BytesIO()
    notes = write_picture(picture, picture.pixels, buffer)
    held = ('4:4:4', '4:2:0', '4:2:2' if turn == 1 else '4:4:0')
    assert [one for one in notes if 'subsampling' in one] == notes
    assert bool(notes) == (subsampling not in held)


def test_files_appear_whole_or_not_at_all(tmp_path):
    picture = read_picture(KINDS['png-rgb8']())
    target = tmp_path / 'out.png'
    target.write_bytes(b'old')
    broken = picture.pixels / np.float32(255)
    broken[40, 3, 1] = np.nan
    with pytest.raises(ValueError, match='not finite'):
        write_picture(picture, broken, target)
    assert target.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'format': 'bmp2'}, "format='bmp2' is unknown. Take one of: keep, png, jpg, webp, tiff"),
        ({'quality': 0}, 'quality=0 is out of range. Give 1 to 100'),
        ({'strip': ('exif',)}, 'Give a tuple of: gps, all'),
        ({'strip': 'gps'}, 'Give a tuple of: gps, all'),
        ({'alpha': np.zeros((4, 4))}, r'alpha \(4, 4\)'),
        ({'restored': np.zeros((48, 65, 3))}, r'restored values are \(48, 65, 3\)'),
        ({'restored': np.zeros((48, 64, 3), np.int64)}, 'restored values are int64'),
        ({'record': {'two words': 1}}, "the name 'two words'"),
        ({'record': {'a': object()}}, 'neither text'),
    ],
)
def test_wrong_calls(options, text):
    with pytest.raises(ValueError, match=text):
        written('png-rgb8', **options)


def test_a_name_that_promises_another_format(tmp_path):
    picture = read_picture(KINDS['jpeg-420']())
    with pytest.raises(ValueError, match=r'out.png is named as PNG, but JPEG.*out.jpg'):
        write_picture(picture, picture.pixels, tmp_path / 'out.png')
    assert write_picture(picture, picture.pixels, tmp_path / 'out.JPEG') == []
    assert output_suffix('JPEG', 'keep', '.JPG') == '.JPG'
    assert output_suffix('JPEG', 'png', '.JPG') == '.png'


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (300, 1)])
def test_odd_sizes(size):
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for kind in ('PNG', 'TIFF', 'BMP', 'PPM'):
        picture, buffer = read_picture(saved(values, kind)), io.BytesIO()
        write_picture(picture, picture.pixels, buffer)
        np.testing.assert_array_equal(read_picture(buffer.getvalue()).pixels, values)


def test_transparent_gif_and_bmp():
    alpha = np.where(mask() > 128, 255, 0).astype(np.uint8)
    for kind in ('GIF', 'BMP'):
        image = Image.fromarray(with_alpha(photograph(), alpha))
        picture = read_picture(saved(image, 'PNG'))
        picture.format, buffer = kind, io.BytesIO()
        write_picture(picture, picture.pixels, buffer)
        got = read_picture(buffer.getvalue())
        assert got.format == kind
        np.testing.assert_array_equal(got.alpha, alpha)


@pytest.mark.parametrize('suffix', ['heic', 'jxl'])
def test_formats_of_the_extra(suffix, tmp_path):
    module = pytest.importorskip({'heic': 'pillow_heif', 'jxl': 'pillow_jxl'}[suffix])
    if suffix == 'heic':
        module.register_heif_opener()
    exif = Image.Exif()
    exif[0x010F] = 'Maker'
    path, out = tmp_path / f'in.{suffix}', tmp_path / f'out.{suffix}'
    Image.fromarray(photograph()).save(path, quality=95, exif=exif.tobytes())
    picture = read_picture(path)
    assert write_picture(picture, picture.pixels, out, record={'model': 'a'}) == []
    after = read_picture(out)
    assert np.abs(after.pixels.astype(int) - photograph()).mean() < 6
    assert b'Maker' in after.metadata.exif
    assert read_record(out) == {'model': 'a'}


def test_ten_bits_are_read_as_eight_with_a_note(tmp_path):
    pillow_heif = pytest.importorskip('pillow_heif')
    path = tmp_path / 'in.heic'
    heif = pillow_heif.from_bytes(mode='RGB;16', size=(64, 48), data=deep().tobytes())
    heif.save(path, quality=95)
    picture = read_picture(path)
    assert picture.pixels.dtype == np.uint8
    assert picture.notes == ['Values of 10 bits were read as 8 bits.']


@pytest.mark.slow
def test_memory_of_a_large_jpeg(tmp_path):
    """24 megapixels: at most four copies of the pixels beside what the process needed before."""
    import subprocess
    import sys

    path = tmp_path / 'in.jpg'
    values = np.random.default_rng(0).integers(0, 256, (4000 // 8, 6000 // 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).resize((6000, 4000)).save(path, quality=90, exif=exif)
    code = f"""
import resource
from irbox.pictures import read_picture, write_picture
read_picture(b'P6 1 1 255\\n123')
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = read_picture({str(path)!r})
write_picture(picture, picture.pixels, {str(tmp_path / 'out.jpg')!r})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
    used = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert int(used.stdout) < 4.6 * 6000 * 4000 * 3, int(used.stdout) / (6000 * 4000 * 3)
