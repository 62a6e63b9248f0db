"""A process that takes part in a search."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from irbox.sweeps.search import Search
from irbox.sweeps.study import Study


@dataclass(frozen=True)
class Searcher:
    """One of several on a study, as ``submit_all`` takes it: tries until nothing is left to try.

    Put back by its cluster, it goes on with the trial that it left.
    """

    search: Search
    folder: Path
    """Of the study."""
    row: str = 'search'
    """Under which its resources stand."""

    def execute(
        self,
        tools: Path | None,
        environment: Mapping[str, str],
        started: Callable[[subprocess.Popen[bytes]], None],
        stopping: threading.Event,
    ) -> str | None:
        """Try; see ``Run.execute``. What became of each trial goes to the log of the job.

        Returns:
            None, or how many trials failed.
        """
        study = Study(self.search, self.folder, tools, print, environment, started)
        failed = study.run()
        return f'{failed} failed' if failed else None
