"""Scores of restored images, and tables of them."""

from irbox.evaluation.fid_metric import FIDMetric
from irbox.evaluation.frechet import frechet_distance
from irbox.evaluation.image_operations import center_crop
from irbox.evaluation.lpips_metric import LPIPSMetric
from irbox.evaluation.protocols import PROTOCOLS, Protocol
from irbox.evaluation.psnr import psnr
from irbox.evaluation.restoration_metric import RestorationMetric
from irbox.evaluation.score import score
from irbox.evaluation.ssim import ssim
from irbox.evaluation.tables.published_table import (
    PublishedTable,
    find_published,
    published_names,
    read_published,
)
from irbox.evaluation.tables.results import Row, results_table, to_rows, write_results
from irbox.evaluation.tables.score_table import Origin, ScoreTable, score_table
from irbox.evaluation.tables.table_formats import table_notes, text_tables, write_tables
from irbox.evaluation.tables.tasks import name_tasks
from irbox.utils.moved_modules import accept_old_names

__all__ = [
    'FIDMetric',
    'LPIPSMetric',
    'Origin',
    'PROTOCOLS',
    'Protocol',
    'PublishedTable',
    'RestorationMetric',
    'Row',
    'ScoreTable',
    'center_crop',
    'find_published',
    'frechet_distance',
    'name_tasks',
    'psnr',
    'published_names',
    'read_published',
    'results_table',
    'score',
    'score_table',
    'ssim',
    'table_notes',
    'text_tables',
    'to_rows',
    'write_results',
    'write_tables',
]

accept_old_names()
