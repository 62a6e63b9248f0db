"""A process of its own for each variant, and what it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import irbox
from irbox.benchmark.worker import Worker, in_a_line

PROGRAM = Path(__file__).with_name('worker.py')
HERE = Path(irbox.__file__).resolve().parents[1]


class NotRunError(ValueError):
    """Says why a variant cannot be built or run."""


class Here:
    """Runs ``worker.py`` in this process, and keeps its network for further settings.

    For accelerators, whose memory is counted by itself: a start takes longer than a measurement.
    """

    def __init__(self) -> None:
        self._worker = Worker()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Ask; see ``Process.ask``."""
        try:
            answer: dict[str, Any] = getattr(self._worker, do)(request)
        except Exception as error:  # whatever a build or a runtime raises
            raise NotRunError(in_a_line(error)) from None
        return answer

    def close(self) -> None:
        """Let go of the network; another can be built."""
        self._worker = Worker()


class Process:
    """Runs ``worker.py`` with the irbox of a checkout.

    Args:
        checkout: Its folder; its own environment (``.venv``) is used where it has one. None: this
            one.
        threads: Of the CPU, for libraries that count them as they start.

    Raises:
        NotRunError: There is no irbox in the folder.
    """

    def __init__(self, checkout: str | None = None, threads: int = 1) -> None:
        root = HERE if checkout is None else Path(checkout).resolve()
        if not (root / 'irbox' / 'registry.py').is_file():
            raise NotRunError(f'{checkout} is no checkout: it has no irbox/registry.py.')
        python = root / '.venv' / 'bin' / 'python'
        found = str(python) if checkout is not None and python.exists() else sys.executable
        # First, so that it is the irbox that is imported; what else is there may hold its packages.
        path = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))
        environment = os.environ | {'PYTHONPATH': path, 'OMP_NUM_THREADS': str(threads)}
        self._errors = tempfile.TemporaryFile('w+', encoding='utf-8', errors='replace')  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: the folder of the program is no place to import from.
            [found, '-P', str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Ask and wait for the answer.

        Raises:
            NotRunError: The variant failed; the text says how.
        """
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({'do': do, **request}) + '\n')
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ''
        if not line:
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ['it said nothing'])[-1]
            raise NotRunError(f'the process ended with code {self._process.wait()}: {last}')
        answer: dict[str, Any] = json.loads(line)
        if 'error' in answer:
            raise NotRunError(answer['error'])
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin and self._process.stdout
        # It holds nothing that is to be kept, and may be in the middle of a long pass.
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
