"""Each protocol against a slow, literal version of what it is specified to be."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.datasets import load_sample_images

from irbox.evaluation import PROTOCOLS, score
from irbox.evaluation.protocols import find_protocol

GAUSSIAN = {'gaussian_weights': True, 'sigma': 1.5, 'use_sample_covariance': False}


def waves(height=75, width=101):
    """A smooth pair without a random number, so that its scores can be written down."""
    y, x = np.mgrid[:height, :width]
    target = np.stack([0.5 + 0.45 * np.sin(0.11 * x + 0.07 * y + c) for c in range(3)])
    error = np.stack([0.06 * np.cos((0.9 + 0.3 * c) * x - 0.5 * y) for c in range(3)])
    error[0] += 0.04
    return (torch.from_numpy(a)[None] for a in (target + error, target))


def rough(height=70, width=90, noise=0.08):
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(2, 3, height, width, generator=generator, dtype=torch.float64)
    target = torch.nn.functional.avg_pool2d(target, 5, stride=1, padding=2)
    restored = target + noise * torch.randn(target.shape, generator=generator, dtype=torch.float64)
    return restored, target


def pixels(image):
    """(3, H, W) as (H, W, 3) of 8 bits."""
    return (image.clamp(0, 1) * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)


def luma(image):
    """As BasicSR and its kin: 16 to 235, not rounded."""
    return image.astype(np.float64) / 255 @ np.array([65.481, 128.553, 24.966]) + 16


def assert_scores(scores, index, psnr, ssim):
    assert abs(scores['psnr'][index].item() - psnr) < 1e-6
    assert abs(scores['ssim'][index].item() - ssim) < 1e-6


# Worked out with scikit-image, scipy and numpy alone.
GOLDEN = {
    'aio': (26.444196612842, 0.812614535224),
    'aio_gauss': (26.444196612842, 0.754931105215),
    'cdd11': (26.446417438458, 0.813006846059),
    'cdd11_gauss': (26.449731791024, 0.755846902532),
    'y601': (31.752006965865, 0.866415002302),
    'restormer_rain': (31.739227380842, 0.866192098581),
    'histoformer': (32.310383388720, 0.944344056433),
    'modem': (31.752006965865, 0.862707156193),
    'basicsr': (26.446417438458, 0.967580926377),
    'sidd': (26.449731791024, 0.967609727780),
    'restormer_noise': (26.449731791024, 0.813187566298),
    'dehazeformer': (26.449731791024, 0.756212071285),
    'm2restore_legacy': (28.053288887700, 0.942366449819),
}


@pytest.mark.parametrize('protocol', GOLDEN)
def test_golden_values(protocol):
    restored, target = waves()
    scores = score(restored, target, protocol)
    assert_scores(scores, 0, *GOLDEN[protocol])


# libjpeg versions differ in the last bit of a pixel.
@pytest.mark.parametrize(
    ('protocol', 'golden'),
    [('weatherbench', (31.836, 0.8582)), ('weatherbench_rgb', (29.303, 0.8491))],
)
def test_golden_values_of_jpeg_files(protocol, golden):
    scores = score(*waves(), protocol)
    assert scores['psnr'].item() == pytest.approx(golden[0], abs=0.01)
    assert scores['ssim'].item() == pytest.approx(golden[1], abs=1e-3)


def test_every_protocol_has_a_golden_value():
    assert set(GOLDEN) | {'weatherbench', 'weatherbench_rgb'} == set(PROTOCOLS)


def test_y601_is_luma_with_gaussian_windows_and_population_variances():
    restored, target = rough()
    scores = score(restored, target, 'y601')
    for index in range(2):
        ours, clean = luma(pixels(restored[index])), luma(pixels(target[index]))
        psnr = 20 * np.log10(255 / np.sqrt(np.mean((ours - clean) ** 2)))
        ssim = structural_similarity(clean, ours, data_range=255, **GAUSSIAN)
        assert_scores(scores, index, psnr, ssim)


def test_restormers_rain_is_y601_of_whole_levels():
    restored, target = rough(noise=0.01)
    scores = score(restored, target, 'restormer_rain')
    for index in range(2):
        both = (np.floor(luma(pixels(one[index])) + 0.5) for one in (restored, target))
        ours, clean = both
        psnr = 20 * np.log10(255 / np.sqrt(np.mean((ours - clean) ** 2)))
        ssim = structural_similarity(clean, ours, data_range=255, **GAUSSIAN)
        assert_scores(scores, index, psnr, ssim)
    assert (scores['psnr'] - score(restored, target, 'y601')['psnr']).abs().min() > 1e-3


def test_gaussian_ssim_is_a_double_sum_over_the_valid_region():
    """As BasicSR computes it: 11x11, float64, five pixels cut at each side, variances by n."""
    restored, target = (image[:1, :, :14, :13] for image in rough())
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / np.outer(line, line).sum()
    x, y = (luma(pixels(image[0])) for image in (restored, target))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = []
    for i in range(14 - 10):
        for j in range(13 - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * a**2).sum() - ma**2, (window * b**2).sum() - mb**2
            cov = (window * a * b).sum() - ma * mb
            top = (2 * ma * mb + c1) * (2 * cov + c2)
            similarity.append(top / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    ours = score(restored, target, 'y601')['ssim'].item()
    assert abs(ours - np.mean(similarity)) < 1e-9


@pytest.mark.parametrize('rgb', [False, True])
def test_weatherbench_scores_jpeg_files_without_their_border(rgb):
    restored, target = rough()
    scores = score(restored, target, 'weatherbench_rgb' if rgb else 'weatherbench')
    for index in range(2):
        file = io.BytesIO()
        Image.fromarray(pixels(restored[index])).save(file, 'JPEG', quality=95, subsampling=2)
        ours = np.array(Image.open(file))[4:-4, 4:-4]
        clean = pixels(target[index])[4:-4, 4:-4]
        if rgb:
            channels = [(ours[..., c] / 255, clean[..., c] / 255) for c in range(3)]
            psnrs = [peak_signal_noise_ratio(b, a, data_range=1) for a, b in channels]
            ssims = [structural_similarity(b, a, data_range=1, **GAUSSIAN) for a, b in channels]
        else:
            a, b = luma(ours), luma(clean)
            psnrs = [peak_signal_noise_ratio(b, a, data_range=255)]
            ssims = [structural_similarity(b, a, data_range=255, **GAUSSIAN)]
        assert_scores(scores, index, np.mean(psnrs), np.mean(ssims))


# round() goes to the even number halfway: 384 / 256 = 1.5 -> 2 and 640 / 256 = 2.5 -> 2.
@pytest.mark.parametrize(('side', 'factor'), [(96, 1), (383, 1), (384, 2), (640, 2), (642, 3)])
def test_dehazeformer_averages_squares_before_ssim(side, factor):
    restored, target = (image[:1] for image in rough(side, side + 6))
    scores = score(restored, target, 'dehazeformer')

    def pooled(image):
        height, width = (length // factor for length in image.shape[:2])
        return image.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))

    ours, clean = (x[0].clamp(0, 1).permute(1, 2, 0).numpy() for x in (restored, target))
    options = GAUSSIAN | {'data_range': 1, 'channel_axis': -1}
    ssim = structural_similarity(pooled(clean), pooled(ours), **options)
    assert_scores(scores, 0, peak_signal_noise_ratio(clean, ours, data_range=1), ssim)


def test_dehazeformer_uses_every_pixel_of_odd_sizes():
    restored, target = (image[:1] for image in rough(385, 389))
    before = score(restored, target, 'dehazeformer')['ssim']
    restored[..., -1, :] = 1 - target[..., -1, :]
    assert score(restored, target, 'dehazeformer')['ssim'] < before


def legacy(restored, target):
    """The public evaluator of M2Restore, line by line; (3, H, W) arrays."""
    y = []
    for image in (restored, target):
        _, height, width = image.shape
        bgr = np.ascontiguousarray(image).reshape(height, width, 3)  # seen so, not transposed
        y.append(0.114 * bgr[..., 0] + 0.587 * bgr[..., 1] + 0.299 * bgr[..., 2])
    psnr = 10 * np.log10(1 / np.mean((y[0] - y[1]) ** 2))
    c1, c2 = 0.01**2, 0.03**2
    columns = []
    for a, b in zip(y[0].T, y[1].T, strict=True):
        values = []
        for start in range(len(a) - 6):
            u, v = a[start : start + 7], b[start : start + 7]
            cov = np.cov(u, v)  # by n - 1
            top = (2 * u.mean() * v.mean() + c1) * (2 * cov[0, 1] + c2)
            bottom = (u.mean() ** 2 + v.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)
            values.append(top / bottom)
        columns.append(np.mean(values))
    return psnr, np.mean(columns)


@pytest.mark.parametrize('size', [(16, 21), (19, 20), (7, 4)])
def test_legacy_is_the_public_evaluator(size):
    restored, target = rough(*size, noise=0.5)
    assert restored.min() < 0  # and is not clipped
    scores = score(restored, target, 'm2restore_legacy')
    for index in range(2):
        assert_scores(scores, index, *legacy(restored[index].numpy(), target[index].numpy()))


def test_legacy_ssim_is_scikit_images_on_columns():
    restored, target = (image[:1] for image in rough(40, 50))
    viewed = [image[0].contiguous().view(40, 50, 3).numpy() for image in (restored, target)]
    ours, clean = (image @ np.array([0.114, 0.587, 0.299]) for image in viewed)
    ssim = structural_similarity(clean, ours, data_range=1, channel_axis=-1)
    assert abs(score(restored, target, 'm2restore_legacy')['ssim'].item() - ssim) < 1e-9


def test_legacy_flatters_white_noise_but_no_smooth_error():
    """10 log10(1 / (.114^2 + .587^2 + .299^2)) = 3.5 dB, where nothing is clipped."""
    target = torch.full((1, 3, 96, 96), 0.5)
    noise = 0.06 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    gain = [
        score(target + error, target, 'm2restore_legacy')['psnr'].item()
        - score(target + error, target, 'aio')['psnr'].item()
        for error in (noise, torch.full_like(noise, 0.1))
    ]
    assert gain[0] == pytest.approx(3.4, abs=0.2)
    assert gain[1] == pytest.approx(0, abs=1e-6)


def test_protocols_disagree_on_a_photograph():
    """The figures that docs/metrics.md shows: how far apart three conventions are."""
    photograph = load_sample_images().images[0][:416]
    target = torch.from_numpy(photograph.copy()).permute(2, 0, 1)[None].double() / 255
    noise = 15 * np.random.default_rng(0).standard_normal(target.shape)
    red = target.clone()
    red[:, 0] = (red[:, 0] + 0.1).clamp(max=1)
    errors = {
        'noise': torch.from_numpy(np.clip(target.numpy() * 255 + noise, 0, 255) // 1) / 255,
        'blur': torch.from_numpy(gaussian_filter(target.numpy(), (0, 0, 1, 1))),
        'red': red,
    }
    expected = {
        'noise': ((25.13, 0.599), (29.77, 0.736), (28.55, 0.749)),
        'blur': ((23.29, 0.794), (24.61, 0.784), (26.58, 0.897)),
        'red': ((25.26, 0.985), (32.29, 0.997), (25.27, 0.985)),
    }
    for error, restored in errors.items():
        for protocol, golden in zip(
            ('aio', 'y601', 'm2restore_legacy'), expected[error], strict=True
        ):
            scores = score(restored, target, protocol)
            assert scores['psnr'].item() == pytest.approx(golden[0], abs=0.006)
            assert scores['ssim'].item() == pytest.approx(golden[1], abs=0.0006)


def test_luma_makes_grey_errors_smaller():
    """20 log10(255 / 219) = 1.32 dB, where nothing is clipped; levels of 8 bits are kept."""
    target = torch.randint(60, 190, (1, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    error = torch.randint(-20, 21, target.shape, generator=torch.Generator().manual_seed(1))
    restored, target = ((image / 255).expand(-1, 3, -1, -1) for image in (target + error, target))
    gain = score(restored, target, 'y601')['psnr'] - score(restored, target, 'aio')['psnr']
    assert gain.item() == pytest.approx(20 * np.log10(255 / 219), abs=1e-6)
    assert gain.item() == pytest.approx(1.32, abs=0.005)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_a_batch_is_its_images(protocol):
    restored, target = rough()
    together = score(restored, target, protocol)
    for index in range(2):
        alone = score(restored[index, None], target[index, None], protocol)
        for name in ('psnr', 'ssim'):
            assert alone[name].item() == pytest.approx(together[name][index].item(), abs=1e-10)


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('size', [(33, 47), (48, 64)])
def test_float32_and_memory_layout_make_no_difference(protocol, size):
    restored, target = (image.float() for image in rough(*size))
    scores = score(restored, target, protocol)
    doubled = score(restored.double(), target.double(), protocol)
    strided = [image.to(memory_format=torch.channels_last) for image in (restored, target)]
    for name in ('psnr', 'ssim'):
        assert scores[name].dtype == torch.float64
        torch.testing.assert_close(scores[name], doubled[name], rtol=0, atol=1e-9)
        torch.testing.assert_close(scores[name], score(*strided, protocol)[name])


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_images_stay_as_they_are(protocol):
    restored, target = rough()
    before = restored.clone(), target.clone()
    score(restored, target, protocol)
    assert torch.equal(restored, before[0]) and torch.equal(target, before[1])


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_no_images(protocol):
    scores = score(torch.zeros(0, 3, 32, 32), torch.zeros(0, 3, 32, 32), protocol)
    assert scores['psnr'].shape == scores['ssim'].shape == (0,)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_gpu_and_cpu_agree(protocol):
    restored, target = rough()
    scores, there = (
        score(restored.to(device), target.to(device), protocol) for device in ('cpu', 'cuda')
    )
    for name in ('psnr', 'ssim'):
        assert there[name].device.type == 'cuda'
        torch.testing.assert_close(there[name].cpu(), scores[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ('protocol', 'size', 'message'),
    [
        ('aio_gauss', (15, 40), 'multiples of 16.*15x40'),
        ('weatherbench', (8, 40), 'cuts off 4 pixels.*8x40'),
        ('y601', (10, 40), 'at least 11x11 pixels, got 10x40'),
        ('m2restore_legacy', (6, 40), 'at least 7 rows, got 6x40'),
    ],
)
def test_images_that_are_too_small(protocol, size, message):
    with pytest.raises(ValueError, match=message):
        score(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size), protocol)


def test_images_of_integers_are_refused():
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match='floats in 0 to 1, got restored as torch.uint8.*by 255'):
        score(image, image.float())


def test_what_is_comparable_with_nothing_is_marked():
    marked = [name for name in PROTOCOLS if find_protocol(name).note]
    assert marked == ['histoformer', 'restormer_noise', 'm2restore_legacy']
    assert all('not comparable' in PROTOCOLS[name].note for name in marked)
