"""What several processes have finished, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from irbox.restore.batch.job import Job, Keyed
from irbox.utils.files import append_line

DEFAULT_DONE_LIST = '.irbox-done.jsonl'
"""Its name in the folder of the answers, where processes share the work."""
State = Literal['begun', 'done']
MARK = b'{"state": "'
"""How a list begins."""


class DoneList:
    """A file to which every process adds a line before it writes an answer, and one after.

    A line is appended in one write, which systems do not interleave; a line that a kill cut short
    is passed over. An answer that was begun and not done is this run's own, and is made again.

    Args:
        path: The file; it is created with the first line.
        settings: Digest of what decides the answers (model, options). Lines of other settings do
            not count.

    Raises:
        ValueError: The file is there and holds something else: nothing is added to it.
    """

    def __init__(self, path: Path, settings: str) -> None:
        self.path = path
        self.settings = settings
        self._states = self._read()

    def state(self, job: Keyed) -> State | None:
        """Tell how far a job had come when the list was opened."""
        return self._states.get(job.key)

    def begin(self, job: Keyed) -> None:
        """Say that the answer is about to be written."""
        self._add(job, 'begun')

    def finish(self, job: Keyed) -> None:
        """Say that the answer is whole on the disk."""
        self._add(job, 'done')

    def _read(self) -> dict[tuple[str, str], State]:
        states: dict[tuple[str, str], State] = {}
        for line in self._lines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(entry, dict) and entry.get('settings') == self.settings:
                state: State = 'done' if entry.get('state') == 'done' else 'begun'
                states[str(entry.get('source')), str(entry.get('target'))] = state
        return states

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return []
        if not self.path.is_file():
            raise ValueError(f'--done-list {self.path} is a folder or no file. Name a file.')
        content = self.path.read_bytes().strip()
        if content and not content.startswith((MARK, MARK[: len(content)])):
            raise ValueError(
                f'--done-list {self.path} holds something else: it is no list of this command. '
                'Give it another name.'
            )
        return content.decode('utf-8', 'replace').splitlines()

    def _add(self, job: Keyed, state: State) -> None:
        source, target = job.key
        entry = {'state': state, 'source': source, 'target': target, 'settings': self.settings}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_line(self.path, json.dumps(entry))


def rank_and_number() -> tuple[int, int]:
    """Read from the environment which of several processes this is, and of how many.

    Raises:
        ValueError: ``RANK`` and ``WORLD_SIZE`` are not what torchrun sets.
    """
    texts = os.environ.get('RANK', '0'), os.environ.get('WORLD_SIZE', '1')
    rank, number = (int(text) if text.isdecimal() else -1 for text in texts)
    if not 0 <= rank < number:
        raise ValueError(
            f'RANK={texts[0]!r} and WORLD_SIZE={texts[1]!r} in the environment name no process. '
            'Start by torchrun, or unset both.'
        )
    return rank, number


def shard(jobs: list[Job], rank: int, world_size: int) -> list[Job]:
    """Take the jobs of one of several processes: every ``world_size``-th."""
    return jobs[rank::world_size]
