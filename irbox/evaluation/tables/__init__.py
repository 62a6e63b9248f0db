"""Tables of scores: rows, layouts of papers beside ours, and their formats."""

from irbox.evaluation.tables.comparison import (
    Comparison,
    compare_images,
    comparison_table,
    interval_table,
)
from irbox.evaluation.tables.image_scores import (
    ImageRow,
    check_image_scores,
    read_image_scores,
    to_image_rows,
    write_image_scores,
)
from irbox.evaluation.tables.intervals import Interval, SignTest, mean_interval, sign_test
from irbox.evaluation.tables.published_table import (
    PublishedTable,
    find_published,
    published_names,
    read_published,
)
from irbox.evaluation.tables.results import Row, results_table, to_rows, without_row, write_results
from irbox.evaluation.tables.score_table import Origin, ScoreTable, score_table
from irbox.evaluation.tables.table_formats import table_notes, text_tables, write_tables
from irbox.evaluation.tables.tasks import MEAN, mean_of_tasks, name_tasks

__all__ = [
    'Comparison',
    'ImageRow',
    'Interval',
    'MEAN',
    'Origin',
    'PublishedTable',
    'Row',
    'ScoreTable',
    'SignTest',
    'check_image_scores',
    'compare_images',
    'comparison_table',
    'find_published',
    'interval_table',
    'mean_interval',
    'mean_of_tasks',
    'name_tasks',
    'published_names',
    'read_image_scores',
    'read_published',
    'results_table',
    'score_table',
    'sign_test',
    'table_notes',
    'text_tables',
    'to_image_rows',
    'to_rows',
    'without_row',
    'write_image_scores',
    'write_results',
    'write_tables',
]
