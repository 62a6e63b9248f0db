"""Scores of restored images, and tables of them."""

from irbox.evaluation.protocols import PROTOCOLS, Protocol
from irbox.evaluation.psnr import psnr
from irbox.evaluation.restoration_metric import RestorationMetric
from irbox.evaluation.results import Row, results_table, to_rows, write_results
from irbox.evaluation.score import score
from irbox.evaluation.ssim import ssim
from irbox.evaluation.tasks import name_tasks

__all__ = [
    'PROTOCOLS',
    'Protocol',
    'RestorationMetric',
    'Row',
    'name_tasks',
    'psnr',
    'results_table',
    'score',
    'ssim',
    'to_rows',
    'write_results',
]
