"""Scores of restored images, and tables of them."""

from irbox.evaluation.fid_metric import FIDMetric
from irbox.evaluation.frechet import frechet_distance
from irbox.evaluation.image_files import centre_crop
from irbox.evaluation.lpips_metric import LPIPSMetric
from irbox.evaluation.protocols import PROTOCOLS, Protocol
from irbox.evaluation.psnr import psnr
from irbox.evaluation.restoration_metric import RestorationMetric
from irbox.evaluation.results import Row, results_table, to_rows, write_results
from irbox.evaluation.score import score
from irbox.evaluation.ssim import ssim
from irbox.evaluation.tasks import name_tasks

__all__ = [
    'PROTOCOLS',
    'FIDMetric',
    'LPIPSMetric',
    'Protocol',
    'RestorationMetric',
    'Row',
    'centre_crop',
    'frechet_distance',
    'name_tasks',
    'psnr',
    'results_table',
    'score',
    'ssim',
    'to_rows',
    'write_results',
]
