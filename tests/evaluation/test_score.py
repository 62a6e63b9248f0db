import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from irbox.evaluation import PROTOCOLS, score


def pair(height=64, width=80, batch=2, noise=0.1):
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(batch, 3, height, width, generator=generator)
    target = torch.nn.functional.avg_pool2d(target, 5, stride=1, padding=2)
    restored = target + noise * torch.randn(target.shape, generator=generator)
    return restored, target


def numpy_image(image):
    return image.clamp(0, 1).permute(1, 2, 0).double().numpy()


@pytest.mark.parametrize(
    ('protocol', 'options'),
    [('aio', {}), ('aio_gauss', {'gaussian_weights': True, 'sigma': 1.5})],
)
def test_equals_scikit_image(protocol, options):
    restored, target = pair()
    scores = score(restored, target, protocol)
    assert scores['psnr'].shape == scores['ssim'].shape == (2,)
    for index in range(2):
        ours, clean = numpy_image(restored[index]), numpy_image(target[index])
        psnr = peak_signal_noise_ratio(clean, ours, data_range=1)
        ssim = structural_similarity(clean, ours, data_range=1, channel_axis=-1, **options)
        assert abs(scores['psnr'][index].item() - psnr) < 1e-9
        assert abs(scores['ssim'][index].item() - ssim) < 1e-9


def test_cdd11_rounds_to_eight_bits():
    restored, target = pair()
    scores = score(restored, target, 'cdd11')
    ours, clean = ((numpy_image(x[0]) * 255).round().astype(np.uint8) for x in (restored, target))
    assert abs(scores['psnr'][0].item() - peak_signal_noise_ratio(clean, ours)) < 1e-9
    assert scores['psnr'][0] != score(restored, target, 'aio')['psnr'][0]


def test_cdd11_gauss_is_whole_and_not_rounded():
    restored, target = pair(61, 75)
    scores = score(restored, target, 'cdd11_gauss')
    for index in range(2):
        ours, clean = numpy_image(restored[index]), numpy_image(target[index])
        ssim = structural_similarity(
            clean, ours, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5
        )
        assert abs(scores['ssim'][index].item() - ssim) < 1e-9
        psnr = peak_signal_noise_ratio(clean, ours, data_range=1)
        assert abs(scores['psnr'][index].item() - psnr) < 1e-9


def test_histoformer_exchanges_red_and_blue():
    restored, target = pair(61, 75)
    scores = score(restored, target, 'histoformer')

    def luma(image):
        pixels = (numpy_image(image) * 255).round()
        return (pixels @ [24.966, 128.553, 65.481] / 255 + 16) / 255

    for index in range(2):
        ours, clean = luma(restored[index]), luma(target[index])
        ssim = structural_similarity(clean, ours, data_range=1, win_size=11)
        assert abs(scores['ssim'][index].item() - ssim) < 1e-9
        psnr = peak_signal_noise_ratio(clean, ours, data_range=1)
        assert abs(scores['psnr'][index].item() - psnr) < 1e-9


def volume_similarity(restored, target):
    """SSIM of a colour image as one volume, (H, W, 3), by scipy's filter and the formula."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x):
        for axis in range(3):
            x = correlate1d(x, window, axis, mode='nearest')
        return x

    mean_x, mean_y = mean(restored), mean(target)
    var_x, var_y = mean(restored**2) - mean_x**2, mean(target**2) - mean_y**2
    covariance = mean(restored * target) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return (top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean()


def test_sidd_takes_the_image_as_a_volume():
    restored, target = pair(20, 24)
    scores = score(restored, target, 'sidd')
    for index in range(2):
        ours, clean = numpy_image(restored[index]), numpy_image(target[index])
        assert abs(scores['ssim'][index].item() - volume_similarity(ours, clean)) < 1e-9
        psnr = peak_signal_noise_ratio(clean, ours, data_range=1)
        assert abs(scores['psnr'][index].item() - psnr) < 1e-9


@pytest.mark.parametrize(
    ('height', 'width', 'rows', 'columns'),
    # 481 -> 480: one row too many goes at the bottom; 413 -> 400: 6 at the top, 7 at the bottom.
    [(81, 64, slice(0, 80), slice(0, 64)), (64, 93, slice(0, 64), slice(6, 86))],
)
def test_aio_cuts_the_middle(height, width, rows, columns):
    restored, target = pair(height, width, batch=1)
    whole = score(restored, target)
    cut = score(restored[..., rows, columns], target[..., rows, columns])
    assert whole['psnr'].item() == cut['psnr'].item()
    assert whole['ssim'].item() == cut['ssim'].item()


def test_values_outside_the_range_are_clipped():
    restored, target = pair(noise=0.8)
    assert restored.min() < 0 and restored.max() > 1
    torch.testing.assert_close(
        score(restored, target)['psnr'], score(restored.clamp(0, 1), target)['psnr']
    )


LOSSLESS = [name for name, rules in PROTOCOLS.items() if rules.jpeg_quality is None]


@pytest.mark.parametrize('protocol', LOSSLESS)
def test_equal_images(protocol):
    image = pair()[0]
    scores = score(image, image.clone(), protocol)
    assert torch.isinf(scores['psnr']).all()
    torch.testing.assert_close(scores['ssim'], torch.ones(2, dtype=torch.float64))


def test_half_precision_images_are_scored_in_full():
    restored, target = (x.half() for x in pair())
    scores, full = score(restored, target), score(restored.double(), target.double())
    assert scores['ssim'].dtype == torch.float64
    torch.testing.assert_close(scores['ssim'], full['ssim'])


def test_unknown_protocol_names_the_nearest():
    with pytest.raises(ValueError, match="'aio_gaus'.*Did you mean 'aio_gauss'"):
        score(*pair(), protocol='aio_gaus')


@pytest.mark.parametrize('shape', [(2, 3, 64, 64), (3, 64, 80), (2, 1, 64, 80)])
def test_wrong_shapes(shape):
    restored, target = pair()
    with pytest.raises(ValueError, match='one shape'):
        score(restored, torch.zeros(shape))


def test_too_small():
    with pytest.raises(ValueError, match='multiples of 16.*15x20'):
        score(torch.zeros(1, 3, 15, 20), torch.zeros(1, 3, 15, 20))
    with pytest.raises(ValueError, match='at least 7x7'):
        score(torch.zeros(1, 3, 6, 20), torch.zeros(1, 3, 6, 20), 'cdd11')


@pytest.mark.parametrize('protocol', ['aio', 'cdd11', 'weatherbench'])
def test_what_is_no_number_has_no_score(protocol):
    target = torch.rand(2, 3, 32, 32)
    restored = target * 0.9
    restored[1, 0, 16, 16] = torch.nan
    psnr = score(restored, target, protocol)['psnr']
    assert psnr.isnan().tolist() == [False, True]
