"""What the runs of a sweep found, ready to be written."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irbox.evaluation.tables import MEAN
from irbox.evaluation.tables.results import SCORES
from irbox.sweeps.cost import Cost
from irbox.sweeps.run import Run
from irbox.sweeps.sweep import Row, Sweep

Scores = Mapping[str, Any]
# What every entry of results.json has.
KEYS = ('task', 'protocol', *SCORES)


@dataclass(frozen=True)
class Found:
    """The finished runs of one row, by seed."""

    row: Row
    cost: Cost | None = None
    runs: Mapping[int, Sequence[Scores]] = field(default_factory=dict)
    """Seed -> a mapping per task, as in ``results.json``."""
    seconds: Mapping[int, float] = field(default_factory=dict)

    def values(self, task: str, score: str) -> list[float]:
        """Give a score of a task, one value per seed; ``gain`` is in decibels over the input."""
        found = []
        for scores in self.runs.values():
            for entry in _of_first_protocol(scores):
                value = _value(entry, score) if entry['task'] == task else None
                if value is not None:
                    found.append(value)
        return found


@dataclass(frozen=True)
class Findings:
    """All rows of a table, finished or not."""

    sweep: Sweep
    base: str
    """Name of the base, empty where the rows stand on their own."""
    size: tuple[int, int]
    """Width and height that costs are counted for."""
    lengths: Sequence[str]
    """How long the rows are trained, such as ``520 iterations``, each once."""
    rows: Sequence[Found]

    @property
    def tasks(self) -> list[str]:
        """List every task that some run was tested on, the mean last."""
        entries = (entry['task'] for entry in self._entries())
        tasks = [task for task in dict.fromkeys(entries) if task != MEAN]
        return [*tasks, MEAN] if any(self._entries()) else tasks

    @property
    def protocols(self) -> list[str]:
        """List how images were scored: the first protocol of each run, which tables show."""
        return sorted({entry['protocol'] for entry in self._entries()})

    @property
    def others(self) -> list[str]:
        """List the scores of other metrics, in the order in which they first came."""
        return list(
            dict.fromkeys(key for entry in self._entries() for key in entry if key not in KEYS)
        )

    def input(self, task: str, score: str) -> float | None:
        """Give a score of the degraded images."""
        for entry in self._entries():
            if entry['task'] == task:
                value: float | None = entry[f'input_{score}']
                return value
        return None

    def _entries(self) -> Iterator[Scores]:
        for found in self.rows:
            for scores in found.runs.values():
                yield from _of_first_protocol(scores)


def collect(row: Row, runs: Sequence[Run], cost: Cost | None) -> Found:
    """Read what the finished ones among a row's runs wrote."""
    finished = [run for run in runs if run.state() == 'finished']
    seconds = {run.seed: run.seconds() for run in finished}
    return Found(
        row=row,
        cost=cost,
        runs={run.seed: run.results() for run in finished},
        seconds={seed: value for seed, value in seconds.items() if value is not None},
    )


def spread(values: Sequence[float], digits: int, sign: bool = False) -> str:
    """Write mean and sample standard deviation as text, or a dash."""
    if not values:
        return '–'
    mean = f'{statistics.fmean(values):{"+" if sign else ""}.{digits}f}'
    return f'{mean} ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else mean


def _of_first_protocol(scores: Sequence[Scores]) -> list[Scores]:
    """Choose the rows of the first protocol, which has what other metrics say as well."""
    return [entry for entry in scores if entry['protocol'] == scores[0]['protocol']]


def _value(entry: Scores, score: str) -> float | None:
    if score != 'gain':
        return entry.get(score)
    restored: float | None = entry['psnr']
    degraded: float | None = entry['input_psnr']
    return None if restored is None or degraded is None else restored - degraded
