"""Degradations: each makes a clean image worse in one way, and is a registered transform.

The contract is one call, ``degradation(image, rng, depth=None) -> image``: (H, W, 3) float32 RGB, 0
to 1, in and out; all randomness from the ``numpy.random.Generator`` that is passed; ``depth`` (H,
W) from 0 near to 1 far. ``Degradation`` in ``degradation.py`` spells it out; any callable that
keeps it can be registered.
"""

from irbox.degradations.cdd11_composition import CDD11_TYPES, CDD11Composition
from irbox.degradations.degradation import Degradation
from irbox.degradations.dense_rain import DenseRain
from irbox.degradations.gaussian_noise import GaussianNoise
from irbox.degradations.haze import Haze
from irbox.degradations.low_light import LowLight
from irbox.degradations.motion_blur import MotionBlur
from irbox.degradations.ots_haze import OTSHaze
from irbox.degradations.rain_fog import RainFog
from irbox.degradations.raindrops import Raindrops
from irbox.degradations.snow import Snow
from irbox.degradations.sparse_rain import SparseRain

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
