"""Degradations: each makes a clean image worse in one way, and is a registered transform.

The contract is one call, ``degradation(image, rng, depth=None) -> image``: (H, W, 3) float32 RGB, 0
to 1, in and out; all randomness from the ``numpy.random.Generator`` that is passed; ``depth`` (H,
W) from 0 near to 1 far. ``Degradation`` in ``degradation.py`` spells it out; any callable that
keeps it can be registered.
"""

from irbox.degradations.cdd11_composition import CDD11_TYPES, CDD11Composition
from irbox.degradations.chain import Chain
from irbox.degradations.defocus import Defocus
from irbox.degradations.degradation import Degradation
from irbox.degradations.dense_rain import DenseRain
from irbox.degradations.gaussian_noise import GaussianNoise
from irbox.degradations.haze import Haze
from irbox.degradations.jpeg_compression import JPEGCompression
from irbox.degradations.low_light import LowLight
from irbox.degradations.mask_folder import MaskFolder
from irbox.degradations.motion_blur import MotionBlur
from irbox.degradations.one_of import OneOf
from irbox.degradations.ots_haze import OTSHaze
from irbox.degradations.rain_fog import RainFog
from irbox.degradations.rain_streaks import RainStreaks
from irbox.degradations.raindrops import Raindrops
from irbox.degradations.sensor_noise import SensorNoise
from irbox.degradations.snow import Snow
from irbox.degradations.snowfall import Snowfall
from irbox.degradations.sparse_rain import SparseRain
from irbox.degradations.underexposure import Underexposure

__all__ = [
    'CDD11_TYPES',
    'CDD11Composition',
    'Chain',
    'Defocus',
    'Degradation',
    'DenseRain',
    'GaussianNoise',
    'Haze',
    'JPEGCompression',
    'LowLight',
    'MaskFolder',
    'MotionBlur',
    'OTSHaze',
    'OneOf',
    'RainFog',
    'RainStreaks',
    'Raindrops',
    'SensorNoise',
    'Snow',
    'Snowfall',
    'SparseRain',
    'Underexposure',
]
