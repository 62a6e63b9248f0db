"""Sweeps: the rows of a table, trained one after the other or side by side."""

from irbox.sweeps.campaign import Campaign
from irbox.sweeps.cost import Cost, count_cost
from irbox.sweeps.differences import differences
from irbox.sweeps.findings import Findings, Found, collect
from irbox.sweeps.plot import plot
from irbox.sweeps.pool import check_gpus, environments, run_all
from irbox.sweeps.read_sweep import check_seeds, read_sweep
from irbox.sweeps.run import Run
from irbox.sweeps.search import Search, read_search
from irbox.sweeps.searcher import Searcher
from irbox.sweeps.study import Study
from irbox.sweeps.submit import check_resources, submit_all
from irbox.sweeps.sweep import Row, Sweep, resolve
from irbox.sweeps.table import check_marks, markdown, write_csv, write_table

__all__ = [
    'Campaign',
    'Cost',
    'Findings',
    'Found',
    'Row',
    'Search',
    'Searcher',
    'Study',
    'Run',
    'Sweep',
    'check_gpus',
    'check_marks',
    'check_resources',
    'check_seeds',
    'collect',
    'count_cost',
    'differences',
    'environments',
    'markdown',
    'plot',
    'read_search',
    'read_sweep',
    'resolve',
    'run_all',
    'submit_all',
    'write_csv',
    'write_table',
]
