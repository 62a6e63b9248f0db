"""Classical remedies: what a user has at hand without a network, to measure networks against.

Each is a function of an image, (H, W, 3) float32 RGB in 0 to 1, and one or two settings, that gives
such an image. ``REMEDIES`` says which belong to which degradation, and which settings are tried.
"""

from irbox.evaluation.classical.brighten import adaptive_equalization, gamma_correction
from irbox.evaluation.classical.dark_channel import dark_channel
from irbox.evaluation.classical.deblur import richardson_lucy
from irbox.evaluation.classical.denoise import non_local_means, total_variation, wavelets
from irbox.evaluation.classical.guided_filter import guided_filter
from irbox.evaluation.classical.remedies import REMEDIES, Remedy, Setting, tune
from irbox.evaluation.classical.smooth import guided_smoothing, median

__all__ = [
    'REMEDIES',
    'Remedy',
    'Setting',
    'adaptive_equalization',
    'dark_channel',
    'gamma_correction',
    'guided_filter',
    'guided_smoothing',
    'median',
    'non_local_means',
    'richardson_lucy',
    'total_variation',
    'tune',
    'wavelets',
]
