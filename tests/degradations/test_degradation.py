"""What every degradation promises, and the helpers of their base."""

import numpy as np
import pytest

from irbox.datasets.photographs import photograph
from irbox.degradations import (
    CDD11_TYPES,
    CDD11Composition,
    Chain,
    Defocus,
    DenseRain,
    GaussianNoise,
    Haze,
    JPEGCompression,
    LowLight,
    MotionBlur,
    OneOf,
    OTSHaze,
    Raindrops,
    RainFog,
    RainStreaks,
    SensorNoise,
    Snow,
    Snowfall,
    SparseRain,
    Underexposure,
)
from irbox.degradations.degradation import check_range, round_to_8_bits
from irbox.registry import TRANSFORMS

DEGRADATIONS = {
    'Chain': Chain([{'type': 'Haze'}, {'type': 'JPEGCompression'}]),
    'Defocus alike': Defocus(by_depth=0),
    'Defocus by depth': Defocus(by_depth=1),
    'DenseRain': DenseRain(),
    'GaussianNoise': GaussianNoise(),
    'GaussianNoise between': GaussianNoise((1, 50), between=True),
    'Haze': Haze(),
    'Haze with a tint': Haze(tint=0.05),
    'JPEGCompression': JPEGCompression(),
    'LowLight': LowLight(),
    'MotionBlur': MotionBlur(),
    'OneOf': OneOf([{'type': 'Haze'}, {'type': 'DenseRain'}]),
    'OTSHaze': OTSHaze(),
    'RainFog': RainFog(),
    'RainStreaks': RainStreaks(),
    'Raindrops': Raindrops(),
    'SensorNoise': SensorNoise(),
    'Snowfall': Snowfall(flakes=1500),
    'Snow S': Snow('S'),
    'Snow M': Snow('M'),
    'Snow L': Snow('L'),
    'Snow mixed': Snow(),
    'Snow of a range': Snow(amount=(0.5, 1)),
    'SparseRain': SparseRain(),
    'Underexposure': Underexposure(),
} | {f'CDD11 {kind}': CDD11Composition(kind) for kind in CDD11_TYPES}


@pytest.fixture(params=DEGRADATIONS)
def degradation(request):
    return DEGRADATIONS[request.param]


@pytest.fixture(scope='module')
def image():
    """An odd-sized piece of a photograph."""
    return np.asarray(photograph('coffee').image)[100:171, 200:297].astype(np.float32) / 255


def run(degradation, image, seed=0, depth=None):
    return degradation(image, np.random.default_rng(seed), depth)


def test_keeps_shape_type_and_range(degradation, image):
    for seed in range(3):
        result = run(degradation, image, seed)
        assert result.shape == image.shape
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 1


def test_does_something_and_leaves_its_input_alone(degradation, image):
    before = image.copy()
    depth = np.full(image.shape[:2], 0.5, dtype=np.float32)
    result = run(degradation, image, depth=depth)
    np.testing.assert_array_equal(image, before)
    assert (depth == 0.5).all()
    assert not np.shares_memory(result, image)
    assert np.abs(result - image).mean() > 1e-3


def test_the_generator_decides_everything(degradation, image):
    np.random.seed(1)
    first = run(degradation, image, 5)
    np.random.seed(2)
    np.testing.assert_array_equal(first, run(degradation, image, 5))
    assert not np.array_equal(first, run(degradation, image, 6))


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (33, 2), (17, 64)])
def test_works_at_any_size(degradation, shape):
    result = run(degradation, np.full((*shape, 3), 0.5, dtype=np.float32))
    assert result.shape == (*shape, 3)
    assert np.isfinite(result).all()


@pytest.mark.parametrize('value', [0.0, 1.0])
def test_black_and_white_images_stay_finite(degradation, value):
    assert np.isfinite(run(degradation, np.full((24, 24, 3), value, dtype=np.float32))).all()


def test_the_margin_is_wide_enough(degradation, image):
    """A crop with its margin is degraded as the middle of a larger crop would be."""
    if isinstance(degradation, MotionBlur | LowLight | Defocus):
        changed = image.copy()
        changed[:, 40 + degradation.margin + 1 :] = 0
        noiseless = LowLight(noise=0) if isinstance(degradation, LowLight) else degradation
        first, second = (run(noiseless, picture)[:, :40] for picture in (image, changed))
        # A Fourier transform rounds everywhere.
        rounding = 1e-4 if isinstance(degradation, Defocus) else 0
        np.testing.assert_allclose(first, second, rtol=0, atol=rounding)
    elif not isinstance(degradation, CDD11Composition):
        assert degradation.margin == 0


def test_a_composition_needs_the_margins_of_its_steps():
    assert CDD11Composition('low_haze').margin == LowLight.margin
    assert CDD11Composition('haze_rain').margin == 0


@pytest.mark.parametrize(
    'wrong',
    [
        np.zeros((8, 8), dtype=np.float32),
        np.zeros((3, 8, 8), dtype=np.float32),
        np.zeros((8, 8, 3), dtype=np.uint8),
        np.zeros((8, 8, 3), dtype=np.float64),
    ],
)
def test_refuses_other_arrays(wrong):
    with pytest.raises(ValueError, match=r'Haze takes a \(H, W, 3\) float32 image'):
        run(Haze(), wrong)


def test_refuses_a_depth_of_another_size():
    with pytest.raises(ValueError, match='differ in size'):
        run(Haze(), np.zeros((8, 8, 3), dtype=np.float32), depth=np.zeros((8, 9), np.float32))


def test_every_degradation_is_registered():
    for degradation in DEGRADATIONS.values():
        assert TRANSFORMS.get(type(degradation).__name__) is type(degradation)


def test_check_range():
    assert check_range('beta', 2) == (2.0, 2.0)
    assert check_range('beta', [1, 2]) == (1.0, 2.0)
    for wrong in ([2, 1], [1, 2, 3], [-1, 1], -0.5):
        with pytest.raises(ValueError, match='beta='):
            check_range('beta', wrong, lowest=0)


def test_round_to_8_bits():
    values = np.array([-0.1, 0.0, 0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4, 0.5, 1.0, 1.3], np.float32)
    np.testing.assert_array_equal(
        round_to_8_bits(values), np.array([0, 0, 0, 1, 128, 255, 255], np.float32) / 255
    )
