"""What several processes have finished, so that a killed run goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from irbox.restore.batch.job import Job
from irbox.utils.files import append_line

State = Literal['begun', 'done']


class DoneList:
    """A file to which every process adds a line before it writes an answer, and one after.

    A line is appended in one write, which systems do not interleave; a line that a kill cut short
    is passed over. An answer that was begun and not done is this run's own, and is made again.

    Args:
        path: The file; it is created with the first line.
        settings: Digest of what decides the answers (model, options). Lines of other settings do
            not count.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self.path = path
        self.settings = settings
        self._states = self._read()

    def state(self, job: Job) -> State | None:
        """Tell how far a job had come when the list was opened."""
        return self._states.get(_key(job))

    def begin(self, job: Job) -> None:
        """Say that the answer is about to be written."""
        self._add(job, 'begun')

    def finish(self, job: Job) -> None:
        """Say that the answer is whole on the disk."""
        self._add(job, 'done')

    def _read(self) -> dict[tuple[str, str], State]:
        states: dict[tuple[str, str], State] = {}
        lines = self.path.read_text(encoding='utf-8').splitlines() if self.path.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(entry, dict) and entry.get('settings') == self.settings:
                state: State = 'done' if entry.get('state') == 'done' else 'begun'
                states[str(entry.get('source')), str(entry.get('target'))] = state
        return states

    def _add(self, job: Job, state: State) -> None:
        source, target = _key(job)
        entry = {'state': state, 'source': source, 'target': target, 'settings': self.settings}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_line(self.path, json.dumps(entry))


def shard(jobs: list[Job], rank: int, world_size: int) -> list[Job]:
    """Take the jobs of one of several processes: every ``world_size``-th."""
    return jobs[rank::world_size]


def _key(job: Job) -> tuple[str, str]:
    return str(job.source.absolute()), str(job.target.absolute())
