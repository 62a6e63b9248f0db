"""Kinds of values: what becomes of each, against NumPy's arithmetic and Pillow's modes."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from irbox.pictures.decode import decode
from irbox.pictures.decode_deep import decode_deep
from irbox.pictures.open_source import open_source
from support.picture_files import deep, deep_alpha, mask, photograph, saved, tiff, with_alpha


def decoded(source):
    notes = []
    return decode(open_source(source), notes), notes


MODES = {
    'L': ((48, 64), False, ''),
    'RGB': ((48, 64, 3), False, ''),
    'LA': ((48, 64), True, ''),
    'RGBA': ((48, 64, 3), True, ''),
    'La': ((48, 64), True, ''),
    'RGBa': ((48, 64, 3), True, ''),
    '1': ((48, 64), False, 'Black and white'),
    'P': ((48, 64, 3), False, 'A palette'),
    'PA': ((48, 64, 3), True, 'A palette'),
    'CMYK': ((48, 64, 3), False, 'CMYK was converted to sRGB without a profile'),
    'LAB': ((48, 64, 3), False, 'Lab was converted to sRGB.'),
    'YCbCr': ((48, 64, 3), False, ''),
    'HSV': ((48, 64, 3), False, ''),
    'F': ((48, 64), False, ''),
    'I': ((48, 64), False, ''),
    'I;16': ((48, 64), False, ''),
}


@pytest.mark.parametrize('mode', MODES)
def test_modes_of_pillow(mode):
    opaque = Image.fromarray(with_alpha(photograph(), np.full_like(mask(), 255)))
    start = {'La': 'LA', 'PA': 'LA', 'I;16': 'I', 'LAB': 'RGB', 'HSV': 'RGB', 'I': 'L', 'F': 'L'}
    if mode == 'LAB':
        profiles = ImageCms.createProfile('sRGB'), ImageCms.createProfile('LAB')
        image = ImageCms.profileToProfile(opaque.convert('RGB'), *profiles, outputMode='LAB')
    else:
        image = opaque.convert(start.get(mode, 'RGB' if mode == 'P' else 'RGBA')).convert(mode)
    (values, alpha, keeps_profile), notes = decoded(image)
    shape, has_alpha, note = MODES[mode]
    assert values.shape == shape and (alpha is not None) == has_alpha
    assert [one[: len(note)] for one in notes] == ([note] if note else [])
    assert keeps_profile == (mode not in ('CMYK', 'LAB'))
    plain = image.convert('LA') if mode == 'La' else image
    wanted = np.asarray(plain.convert('L' if len(shape) == 2 else 'RGB'))
    assert np.abs(values.astype(float) - wanted).mean() < 2
    assert alpha is None or (alpha == 255).all()


def test_a_transparent_color_becomes_alpha():
    for values, color in ((photograph()[..., 0], 100), (photograph(), (140, 103, 72))):
        ((colors, alpha, _), _) = decoded(saved(values, 'PNG', transparency=color))
        np.testing.assert_array_equal(colors, values)
        here = values == color if values.ndim == 2 else (values == color).all(-1)
        np.testing.assert_array_equal(alpha, np.where(here, 0, 255))
    grey = deep()[..., 0]
    ((colors, alpha, _), _) = decoded(saved(grey, 'PNG', transparency=int(grey[5, 7])))
    np.testing.assert_array_equal(colors, grey)
    np.testing.assert_array_equal(alpha, np.where(grey == grey[5, 7], 0, 65535))
    assert alpha.dtype == np.uint16


@pytest.mark.parametrize('worst', [-1, 65536])
def test_numbers_beyond_sixteen_bits_are_refused_with_a_remedy(worst):
    image = Image.fromarray(np.array([[0, worst]], np.int32))
    with pytest.raises(ValueError, match=r'\(mode I\) .* does not read; save it with 8 or 16 bits'):
        decoded(image)


def test_eight_bits_are_left_to_pillow():
    for data in (
        saved(photograph(), 'PNG'),
        saved(photograph(), 'PPM'),
        saved(photograph(), 'TIFF'),
        saved(photograph(), 'BMP'),
    ):
        assert decode_deep(data, Image.open(io.BytesIO(data)), []) is None


@pytest.mark.parametrize('largest', [256, 1023, 4095, 65534, 65535])
def test_ppm_of_any_depth_is_scaled_to_sixteen_bits(largest):
    values = np.linspace(0, largest, 12).round().astype('>u2').reshape(3, 4)
    data = f'P5 # a cat\n4 3\n# another\n{largest}\n'.encode() + values.tobytes()
    (found, _, _), notes = decoded(data)
    np.testing.assert_array_equal(found, np.floor(values.astype(float) * 65535 / largest + 0.5))
    assert notes == (
        [] if largest == 65535 else [f'Values up to {largest} were scaled to 16 bits (65535).']
    )


@pytest.mark.parametrize('planar', ['contig', 'separate'])
def test_tiff_with_multiplied_colors_and_further_channels(planar):
    alpha, further = deep_alpha(), deep()[..., 0]
    multiplied = np.rint(deep() * (alpha / 65535)[..., None]).astype(np.uint16)
    values = np.dstack([multiplied, alpha, further])
    if planar == 'separate':
        values = values.transpose(2, 0, 1)
    data = tiff(values, photometric='rgb', planarconfig=planar, extrasamples=[1, 0])
    (colors, found, _), notes = decoded(data)
    np.testing.assert_array_equal(found, alpha)
    clear = alpha > 6000
    assert np.abs(colors[clear].astype(float) - deep()[clear]).max() <= 6
    assert (colors[alpha == 0] == 0).all()
    assert notes == [
        'Further channels (1) were left out.',
        'Colors multiplied by their alpha were divided by it.',
    ]


def test_tiff_of_floats_and_of_reversed_greys():
    halves = (deep() / 65535).astype(np.float16)
    (values, _, _), notes = decoded(tiff(halves, photometric='rgb'))
    np.testing.assert_array_equal(values, halves.astype(np.float32))
    assert notes == ['Floats of 16 bits were converted to 32 bits.']
    (values, alpha, _), notes = decoded(tiff(deep()[..., 0], photometric='miniswhite'))
    np.testing.assert_array_equal(values, 65535 - deep()[..., 0])
    assert (alpha, notes) == (None, [])
    unknown = tiff(
        with_alpha(deep(), deep_alpha()), photometric='rgb', extrasamples=['unspecified']
    )
    assert decoded(unknown)[0].alpha is None


def test_a_tiff_file_that_ends_before_its_pixels():
    data = tiff(deep(), photometric='rgb')
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        end = file.pages.first.dataoffsets[0] + 100
    opened = open_source(data)
    with pytest.raises(ValueError, match='the file ends before its pixels do'):
        decode_deep(data[:end], opened.image, [])
