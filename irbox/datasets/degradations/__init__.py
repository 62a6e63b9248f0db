"""Degradations: each makes a clean image worse in one way, and is a registered transform.

The contract is one call, ``degradation(image, rng, depth=None) -> image``: (H, W, 3) float32 RGB, 0
to 1, in and out; all randomness from the ``numpy.random.Generator`` that is passed; ``depth`` (H,
W) from 0 near to 1 far. ``Degradation`` in ``degradation.py`` spells it out; any callable that
keeps it can be registered.
"""

from irbox.datasets.degradations.cdd11_composition import CDD11_TYPES, CDD11Composition
from irbox.datasets.degradations.degradation import Degradation
from irbox.datasets.degradations.dense_rain import DenseRain
from irbox.datasets.degradations.gaussian_noise import GaussianNoise
from irbox.datasets.degradations.haze import Haze
from irbox.datasets.degradations.low_light import LowLight
from irbox.datasets.degradations.motion_blur import MotionBlur
from irbox.datasets.degradations.ots_haze import OTSHaze
from irbox.datasets.degradations.rain_fog import RainFog
from irbox.datasets.degradations.raindrops import Raindrops
from irbox.datasets.degradations.snow import Snow
from irbox.datasets.degradations.sparse_rain import SparseRain

__all__ = [
    'CDD11_TYPES',
    'CDD11Composition',
    'Degradation',
    'DenseRain',
    'GaussianNoise',
    'Haze',
    'LowLight',
    'MotionBlur',
    'OTSHaze',
    'RainFog',
    'Raindrops',
    'Snow',
    'SparseRain',
]
