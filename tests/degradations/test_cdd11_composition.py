import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from irbox.datasets.photographs import HELD_OUT, TRAINING, photograph
from irbox.degradations import CDD11_TYPES, CDD11Composition, DenseRain, Haze, LowLight
from irbox.degradations.degradation import round_to_8_bits
from irbox.registry import TRANSFORMS

# Mean PSNR and SSIM of the degraded images of CDD11's test set.
PUBLISHED = {
    'low': (12.00, 0.369),
    'haze': (15.87, 0.808),
    'rain': (22.02, 0.792),
    'snow': (23.62, 0.879),
    'low_haze': (14.94, 0.531),
    'low_rain': (14.61, 0.416),
    'low_snow': (13.50, 0.383),
    'haze_rain': (14.78, 0.714),
    'haze_snow': (14.79, 0.739),
    'low_haze_rain': (15.25, 0.483),
    'low_haze_snow': (14.63, 0.495),
}
SEEDS = 6


@pytest.fixture(scope='module')
def photographs():
    """The middle squares of all photographs at 256x256, with depth where it is known."""
    squares = []
    for name in TRAINING + HELD_OUT:
        source = photograph(name)
        width, height = source.image.size
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
        image = source.image.resize((256, 256), Image.HAMMING, box=box)
        depth = source.depth and source.depth.resize((256, 256), Image.BILINEAR, box=box)
        squares.append(
            (
                np.asarray(image, dtype=np.float32) / 255,
                None if depth is None else np.asarray(depth),
            )
        )
    return squares


@pytest.mark.parametrize('kind', CDD11_TYPES)
def test_is_as_hard_as_the_published_set(photographs, kind):
    """Within 1.5 dB and .10 of the published input scores, over seven photographs."""
    degrade = CDD11Composition(kind)
    scores = []
    for number, (image, depth) in enumerate(photographs):
        for seed in range(SEEDS):
            result = degrade(image, np.random.default_rng((number, seed)), depth)
            scores.append(
                (
                    peak_signal_noise_ratio(image, result, data_range=1),
                    structural_similarity(image, result, data_range=1, channel_axis=-1),
                )
            )
    psnr, ssim = np.mean(scores, axis=0)
    assert abs(psnr - PUBLISHED[kind][0]) < 1.5, psnr
    assert abs(ssim - PUBLISHED[kind][1]) < 0.10, ssim


def test_order_is_low_rain_snow_haze(photographs):
    """Whatever the order in the name: haze comes last, over the noise of the low light."""
    image = photographs[0][0]
    depth = np.full(image.shape[:2], 0.5, dtype=np.float32)
    rng = np.random.default_rng(4)
    expected = image
    for step in (LowLight(), DenseRain(), Haze()):
        expected = step.apply(expected, rng, depth)
    result = CDD11Composition('low_haze_rain')(image, np.random.default_rng(4), depth)
    np.testing.assert_array_equal(result, round_to_8_bits(expected))


def test_results_fit_8_bits(photographs):
    result = 255 * CDD11Composition('haze_snow')(photographs[0][0], np.random.default_rng(0))
    np.testing.assert_allclose(result, np.rint(result), atol=1e-4)


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind: 'low_hase' is unknown. Did you mean 'low_haze'"):
        TRANSFORMS.build({'type': 'CDD11Composition', 'kind': 'low_hase'})
