"""One run of a sweep: a row with a seed, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from irbox.sweeps.differences import differences
from irbox.utils.console import console
from irbox.utils.files import atomic_write, is_left, locked, write_text

State = Literal['new', 'started', 'finished', 'other']
TAIL = 15
TESTED = '# tested with '
"""Begins the line behind the config of a run that is only tested."""


@dataclass(frozen=True)
class Run:
    """A row with a seed. What it wrote is all there is to know about how far it came."""

    row: str
    seed: int
    config: str
    """The whole config as YAML, the seed in it."""
    folder: Path
    weights: tuple[str, ...] | None = None
    """Of a run that is only tested: the file, or none where the network brings its own."""
    tested: bool = True
    """Whether it is tested after its training."""

    @property
    def name(self) -> str:
        """Give what messages call it."""
        return f'{self.row}, seed {self.seed}'

    @property
    def config_file(self) -> Path:
        """Give the config as it is trained: ``tools/train.py`` reads it."""
        return self.folder / 'row.yaml'

    @property
    def log_file(self) -> Path:
        """Give the file of what training and testing printed."""
        return self.folder / 'log.txt'

    def state(self) -> State:
        """Tell how far it is; ``'other'`` where the folder holds a run of another config."""
        if not self.config_file.is_file():
            return 'other' if (self.folder / 'results.json').is_file() else 'new'
        if self.config_file.read_text(encoding='utf-8') != self.config:
            return 'other'
        return 'finished' if (self.folder / 'results.json').is_file() else 'started'

    def changes(self) -> list[str]:
        """List what differs between the config that the folder holds and this one's."""
        if not self.config_file.is_file():
            return ['its config is missing']
        before = self.config_file.read_text(encoding='utf-8')
        found = differences(yaml.safe_load(before), yaml.safe_load(self.config))
        # What it is tested with stands behind the config.
        weights = [text.partition(TESTED)[2].strip() for text in (before, self.config)]
        return found + ([] if weights[0] == weights[1] else ['{} -> {}'.format(*weights)])

    def results(self) -> list[dict[str, Any]]:
        """Read the rows that ``tools/test.py`` wrote."""
        rows: list[dict[str, Any]] = json.loads(
            (self.folder / 'results.json').read_text(encoding='utf-8')
        )
        return rows

    def seconds(self) -> float | None:
        """Tell how long it was trained, where that is known."""
        file = self.folder / 'seconds.json'
        return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None

    def execute(
        self,
        tools: Path | None,
        environment: Mapping[str, str],
        started: Callable[[subprocess.Popen[bytes]], None],
        stopping: threading.Event,
    ) -> str | None:
        """Train and test, as far as this was not done.

        Args:
            tools: Folder of ``train.py`` and ``test.py``; None for the commands of the package.
            environment: Added to that of this process.
            started: Told of every process.
            stopping: Set when nobody should be waited for any longer.

        Returns:
            None, or why there are no results.
        """
        state = self.state()
        if state == 'other':
            shown = '; '.join(self.changes()[:5])
            return (
                f'{self.folder} holds a run of another config ({shown}). '
                'Choose another --work-dir, or remove the folder.'
            )
        if state == 'finished':
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            lock = self._wait(stack, stopping)
            if lock is None:
                return f'{self.folder} is in use by another process.'
            if self.state() == 'finished':
                # By that other process, a moment ago.
                return None
            write_text(self.config_file, self.config)

            def call(tool: str, *arguments: str) -> str | None:
                program = [str(tools / f'{tool}.py')] if tools else ['-m', 'irbox', tool]
                return self._call(tool, program, arguments, environment, lock, started)

            if self.weights is not None:
                return call('test', *self.weights)
            weights = self.folder / 'final.pth'
            if not weights.is_file():
                begin = time.monotonic()
                try:
                    failure = call('train', '--resume')
                finally:
                    self._add_seconds(time.monotonic() - begin)
                if failure:
                    return failure
            return call('test', str(weights)) if self.tested else None

    def _wait(self, stack: ExitStack, stopping: threading.Event) -> int | None:
        """Hold the folder; what a sweep that was killed left there may end first."""
        path, told = self.folder / '.lock', False
        while not stopping.is_set():
            try:
                return stack.enter_context(locked(path)).fileno()
            except BlockingIOError:
                # Its training goes on and holds the file, too.
                if not is_left(path):
                    return None
                if not told:
                    what = 'a training that a killed sweep left here is waited for'
                    console().print(f'{self.name}: {what} ({path}).')
                told = True
                stopping.wait(1)
        return None

    def _call(
        self,
        tool: str,
        program: Sequence[str],
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        lock: int,
        started: Callable[[subprocess.Popen[bytes]], None],
    ) -> str | None:
        command = [sys.executable, *program, str(self.config_file), *arguments]
        with self.log_file.open('ab') as log:
            process = subprocess.Popen(
                [*command, '--work-dir', str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                # It keeps the folder locked even if this process is killed.
                pass_fds=(lock,),
            )
            started(process)
            code = process.wait()
        if code == 0:
            return None
        lines = self.log_file.read_text(encoding='utf-8', errors='replace').splitlines()
        tail = '\n'.join(f'    {line}' for line in lines[-TAIL:])
        return f'{tool} ended with code {code}. The end of {self.log_file}:\n{tail}'

    def _add_seconds(self, seconds: float) -> None:
        """Interrupted trainings count, too."""
        with atomic_write(self.folder / 'seconds.json', 'w') as file:
            json.dump(round((self.seconds() or 0) + seconds, 1), file)
