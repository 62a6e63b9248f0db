"""Scores of restored images; tables of them are in ``irbox.evaluation.tables``."""

import importlib
import warnings
from typing import Any

from irbox.evaluation.fid_metric import FIDMetric
from irbox.evaluation.frechet import frechet_distance
from irbox.evaluation.image_metric import ImageMetric
from irbox.evaluation.image_operations import center_crop
from irbox.evaluation.lpips_metric import LPIPSMetric
from irbox.evaluation.protocols import PROTOCOLS, Protocol
from irbox.evaluation.psnr import psnr
from irbox.evaluation.restoration_metric import RestorationMetric
from irbox.evaluation.score import score
from irbox.evaluation.score_info import ScoreInfo
from irbox.evaluation.ssim import ssim
from irbox.utils.moved_modules import accept_old_names

__all__ = [
    'FIDMetric',
    'ImageMetric',
    'LPIPSMetric',
    'PROTOCOLS',
    'Protocol',
    'RestorationMetric',
    'ScoreInfo',
    'center_crop',
    'frechet_distance',
    'psnr',
    'score',
    'ssim',
]

accept_old_names()


def __getattr__(name: str) -> Any:
    tables = importlib.import_module('irbox.evaluation.tables')
    if name in tables.__all__:
        warnings.warn(
            f'{name} is now in irbox.evaluation.tables. The old place goes with the next version.',
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(tables, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
