"""Noise, by scikit-image: non-local means, total variation, wavelets."""

from __future__ import annotations

import numpy as np
from skimage import restoration

from irbox.utils.optional import require


def non_local_means(image: np.ndarray, strength: float) -> np.ndarray:
    """Average each pixel over those whose surroundings look alike (Buades et al., 2005).

    Args:
        image: (H, W, 3) float32, 0 to 1.
        strength: How alike, in deviations of the noise, which is estimated from the image.
    """
    sigma = _sigma(image)
    answer: np.ndarray = restoration.denoise_nl_means(
        image,
        patch_size=5,
        patch_distance=6,
        h=max(strength * sigma, 1e-4),
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    return answer.clip(0, 1).astype(np.float32)


def total_variation(image: np.ndarray, weight: float) -> np.ndarray:
    """Make an image of little variation that is near (Chambolle, 2004).

    Args:
        image: (H, W, 3) float32, 0 to 1.
        weight: Larger is smoother.
    """
    # scikit-image says that it is typed; these functions are not.
    answer: np.ndarray = restoration.denoise_tv_chambolle(  # type: ignore[no-untyped-call]
        image, weight=weight, channel_axis=-1
    )
    return answer.clip(0, 1).astype(np.float32)


def wavelets(image: np.ndarray, strength: float) -> np.ndarray:
    """Shrink wavelet coefficients (BayesShrink of YCbCr; Chang et al., 2000).

    Args:
        image: (H, W, 3) float32, 0 to 1.
        strength: Deviation that is taken away, in deviations of the noise, which is estimated.

    Raises:
        ImportError: PyWavelets is not installed.
    """
    require('pywt', package='PyWavelets', needed_by='wavelets')
    answer: np.ndarray = restoration.denoise_wavelet(
        image,
        sigma=max(strength * _sigma(image), 1e-4),
        method='BayesShrink',
        convert2ycbcr=True,
        rescale_sigma=True,
        channel_axis=-1,
    )
    return answer.clip(0, 1).astype(np.float32)


def _sigma(image: np.ndarray) -> float:
    require('pywt', package='PyWavelets', needed_by='estimating the noise')
    sigma = restoration.estimate_sigma(  # type: ignore[no-untyped-call]
        image, average_sigmas=True, channel_axis=-1
    )
    return float(sigma)
