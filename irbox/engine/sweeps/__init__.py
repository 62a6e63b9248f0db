"""Sweeps: the rows of a table, trained one after the other or side by side."""

from irbox.engine.sweeps.campaign import Campaign
from irbox.engine.sweeps.cost import Cost, count_cost
from irbox.engine.sweeps.differences import differences
from irbox.engine.sweeps.findings import Findings, Found, collect
from irbox.engine.sweeps.plot import plot
from irbox.engine.sweeps.pool import check_gpus, environments, run_all
from irbox.engine.sweeps.read_sweep import check_seeds, read_sweep
from irbox.engine.sweeps.run import Run
from irbox.engine.sweeps.sweep import Row, Sweep, resolve
from irbox.engine.sweeps.table import check_marks, markdown, write_csv, write_table

__all__ = [
    'Campaign',
    'Cost',
    'Findings',
    'Found',
    'Row',
    'Run',
    'Sweep',
    'check_gpus',
    'check_marks',
    'check_seeds',
    'collect',
    'count_cost',
    'differences',
    'environments',
    'markdown',
    'plot',
    'read_sweep',
    'resolve',
    'run_all',
    'write_csv',
    'write_table',
]
