"""Protocols: what exactly is compared when a restored image is scored.

The published tables of this field follow different conventions, and their numbers are comparable
within a convention only. A score therefore always carries the name of its protocol. ``docs/
metrics.md`` says which published table follows which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from irbox.evaluation.color_spaces import ColorSpace
from irbox.evaluation.ssim import Window
from irbox.registry import suggest


@dataclass(frozen=True)
class Protocol:
    """How images are prepared, and how their similarity is measured.

    The steps are taken in the order of the fields. Without any, both images are RGB and clipped to
    0..1, PSNR is 10 log10(1 / MSE) with one mean over all pixels and channels, and SSIM is the
    default of scikit-image. Scores are of each image; means are over images.

    Examples:
        >>> Protocol(crop_multiple=16) == PROTOCOLS['aio']
        True
    """

    crop_multiple: int = 1
    """Images are cut, in the middle, to the next smaller multiple of this. The published evaluators
    do so before the network sees the image, and so does ``tools/test.py``; ``score`` cuts what is
    not cut yet."""
    clip: bool = True
    """Values outside 0..1 are clipped."""
    eight_bit: bool = False
    """Both images are rounded to the 256 levels of an image file."""
    jpeg_quality: int | None = None
    """The restored image is written as a JPEG file and read again."""
    border: int = 0
    """Pixels cut off at each side, after restoring."""
    color_space: ColorSpace = 'rgb'
    """What is compared, see ``irbox.evaluation.color_spaces``."""
    psnr_per_channel: bool = False
    """PSNR is the mean of the PSNRs of the channels, in place of one over all values."""
    pool_to: int | None = None
    """For SSIM, images are averaged over squares whose side is the shorter side of the image
    divided by this, rounded, at least 1."""
    window: Window = 'uniform'
    """SSIM's window, see ``ssim``."""
    covariance: Literal['sample', 'population'] = 'sample'
    """SSIM's variances, see ``ssim``."""
    columns: bool = False
    """For SSIM, each column of the image is a signal of its own."""
    tile: int | None = None
    """The network sees tiles of at most so many pixels a side, which overlap and share what it
    believes of the whole image; the whole image where it is None. Scores may be higher or lower: an
    attention over channels sees the statistics of a tile."""
    note: str = ''
    """What a reader of such scores has to know; tables print it."""


_Y601 = Protocol(eight_bit=True, color_space='y601', window='gaussian', covariance='population')
# Quality 95 with colours at half the resolution is what OpenCV writes by default, as most of the
# code behind the published files does; the benchmark itself does not say.
_WEATHERBENCH = replace(_Y601, jpeg_quality=95, border=4)

PROTOCOLS = {
    # PromptIR, AdaIR, MEASNet and MIRAGE; M2IR's Tables I, II and V.
    'aio': Protocol(crop_multiple=16),
    # MoCE-IR.
    'aio_gauss': Protocol(crop_multiple=16, window='gaussian'),
    # OneRestore, on CDD11; M2IR's Table III.
    'cdd11': Protocol(eight_bit=True),
    # MoCE-IR, on CDD11: whole images, a Gaussian window.
    'cdd11_gauss': Protocol(window='gaussian'),
    # WeatherDiffusion's family.
    'y601': _Y601,
    # Restormer, for rain: MATLAB's Y of 8-bit images, which is 8 bits.
    'restormer_rain': replace(_Y601, color_space='y601_rounded'),
    # Histoformer, on All-weather.
    'histoformer': Protocol(
        eight_bit=True,
        color_space='y601_swapped',
        window='uniform_11',
        note='not comparable with any other protocol: Y of exchanged red and blue',
    ),
    # MODEM, on All-weather: a volume of one channel that is repeated is a plane with its borders
    # repeated.
    'modem': replace(_Y601, window='volume'),
    # NAFNet, on GoPro: BasicSR's scores of colour images.
    'basicsr': Protocol(eight_bit=True, window='volume'),
    # NAFNet, on SIDD: BasicSR's scores of colour images, not rounded.
    'sidd': Protocol(window='volume'),
    # Restormer's noise.
    'restormer_noise': Protocol(
        note='meant for noise that is neither clipped nor rounded (GaussianNoise, clip: false), '
        'not comparable with clipped noise'
    ),
    # The WeatherBench benchmark.
    'weatherbench': _WEATHERBENCH,
    # The same images in RGB; M2IR's Table IV, most likely.
    'weatherbench_rgb': replace(_WEATHERBENCH, color_space='rgb', psnr_per_channel=True),
    # DehazeFormer.
    'dehazeformer': Protocol(pool_to=256, window='gaussian', covariance='population'),
    # The evaluator of M2Restore's public code, as it is.
    'm2restore_legacy': Protocol(
        clip=False,
        color_space='legacy',
        columns=True,
        note='not comparable with any other protocol: neither RGB nor Y, up to 3.5 dB too high '
        'for fine-grained errors',
    ),
}


TILED = re.compile(r'(?P<base>.+)\+tile(?P<side>[1-9]\d*)')


def find_protocol(name: str) -> Protocol:
    """Give the protocol of a name; ``aio+tile256`` is ``aio`` in tiles of 256.

    Raises:
        ValueError: There is none; the message names the nearest.

    Examples:
        >>> find_protocol('aio+tile256').tile
        256

        >>> find_protocol('aio_gauss').window
        'gaussian'
        >>> find_protocol('cdd12')
        Traceback (most recent call last):
        ValueError: No protocol is called 'cdd12'. Did you mean 'cdd11'? Known: ...
    """
    if isinstance(name, str) and (tiled := TILED.fullmatch(name)):
        return replace(find_protocol(tiled['base']), tile=int(tiled['side']))
    if name not in PROTOCOLS:
        raise ValueError(f'No protocol is called {name!r}. {suggest(str(name), PROTOCOLS)}')
    return PROTOCOLS[name]
