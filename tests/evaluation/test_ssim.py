"""PSNR and SSIM themselves; ``test_protocols.py`` has what protocols make of them."""

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from irbox.evaluation.psnr import psnr
from irbox.evaluation.ssim import ssim


@pytest.fixture
def pair():
    target = torch.rand(2, 3, 13, 17)
    return (target + 0.2 * torch.randn_like(target)).clamp(0, 1), target


@pytest.mark.parametrize('covariance', ['sample', 'population'])
@pytest.mark.parametrize('window', ['uniform', 'gaussian'])
def test_ssim_is_that_of_scikit_image(pair, window, covariance):
    found = ssim(*pair, window, covariance)
    assert found.shape == (2,) and found.dtype == torch.float64
    options = {
        'gaussian_weights': window == 'gaussian',
        'use_sample_covariance': covariance == 'sample',
    }
    for value, restored, target in zip(found, *pair, strict=True):
        # float32 as given: our own precision is that of float64.
        arrays = (one.double().numpy() for one in (target, restored))
        wanted = structural_similarity(*arrays, data_range=1, channel_axis=0, **options)
        assert value.item() == pytest.approx(wanted, abs=1e-9)


def test_columns_are_signals_of_their_own(pair):
    alone = [ssim(*(one[..., i : i + 1] for one in pair), columns=True) for i in range(17)]
    torch.testing.assert_close(ssim(*pair, columns=True), torch.stack(alone).mean(0))


def test_psnr_of_channels_and_of_all(pair):
    for value, restored, target in zip(psnr(*pair), *pair, strict=True):
        arrays = [one.double().numpy() for one in (target, restored)]
        assert value.item() == pytest.approx(peak_signal_noise_ratio(*arrays, data_range=1))
    channels = torch.stack([psnr(*(one[:, i : i + 1] for one in pair)) for i in range(3)])
    torch.testing.assert_close(psnr(*pair, per_channel=True), channels.mean(0))
    assert (psnr(*pair, per_channel=True) >= psnr(*pair)).all()
    equal = pair[0].clone()
    equal[:, 0] = pair[1][:, 0]
    assert psnr(equal, pair[1], per_channel=True).isinf().all()
    assert psnr(equal, pair[1]).isfinite().all() and psnr(equal, equal).isinf().all()


@pytest.mark.parametrize(
    ('size', 'options', 'said'),
    [
        ((6, 7), {}, 'at least 7x7 pixels, got 6x7'),
        ((10, 11), {'window': 'gaussian'}, 'at least 11x11 pixels, got 10x11'),
        ((6, 1), {'columns': True}, 'at least 7 rows, got 6x1'),
        (
            (9, 9),
            {'window': 'box'},
            "window='box' is unknown. Choose one of 'uniform', .*'gaussian'",
        ),
        ((9, 9), {'covariance': 'n'}, "covariance='n' is unknown. Choose 'sample' or 'population'"),
    ],
)
def test_what_cannot_be_compared(size, options, said):
    image = torch.zeros(1, 3, *size)
    with pytest.raises(ValueError, match=said):
        ssim(image, image, **options)
    for score in (psnr, ssim):
        with pytest.raises(ValueError, match=r'shape \(1, 3, .* targets \(1, 1, .* must be equal'):
            score(image, image[:, :1])
