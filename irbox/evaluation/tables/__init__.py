"""Tables of scores: rows, layouts of papers beside ours, and their formats."""

from irbox.evaluation.tables.published_table import (
    PublishedTable,
    find_published,
    published_names,
    read_published,
)
from irbox.evaluation.tables.results import Row, results_table, to_rows, without_row, write_results
from irbox.evaluation.tables.score_table import Origin, ScoreTable, score_table
from irbox.evaluation.tables.table_formats import table_notes, text_tables, write_tables
from irbox.evaluation.tables.tasks import MEAN, name_tasks

__all__ = [
    'MEAN',
    'Origin',
    'PublishedTable',
    'Row',
    'ScoreTable',
    'find_published',
    'name_tasks',
    'published_names',
    'read_published',
    'results_table',
    'score_table',
    'table_notes',
    'text_tables',
    'to_rows',
    'without_row',
    'write_results',
    'write_tables',
]
