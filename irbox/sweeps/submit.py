"""The runs of a sweep, and the processes of a search, as jobs of a cluster."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from irbox.utils.optional import require

Cluster = Literal['slurm', 'local']
# Seconds between two looks at the jobs, and those that a training has to write a checkpoint.
POLL, LEAVING = {'slurm': 10.0, 'local': 0.2}, 80.0
# How often a job may be put back; a training that makes no progress refuses to start by itself.
PUT_BACK = 1000
A_MONTH = 60 * 24 * 30


class Work(Protocol):
    """What a job does: a ``Run``, or a ``Searcher``."""

    @property
    def row(self) -> str:
        """Name whose resources it gets."""

    def execute(
        self,
        tools: Path | None,
        environment: Mapping[str, str],
        started: Callable[[subprocess.Popen[bytes]], None],
        stopping: threading.Event,
    ) -> str | None:
        """Do it; see ``Run.execute``."""


SomeWork = TypeVar('SomeWork', bound=Work)


class Job:
    """One run, in a process that submitit starts somewhere.

    Told that its time is up or its machine is needed (SIGUSR2), submitit asks for ``checkpoint``
    and puts the job back into the queue, where it goes on with the checkpoint of the training.

    Args:
        run: What to do.
        tools: Folder of ``train.py`` and ``test.py``; None for the commands of the package.
        environment: Added to that of the process.
    """

    def __init__(self, run: Work, tools: Path | None, environment: Mapping[str, str]) -> None:
        self.run, self.tools, self.environment = run, tools, dict(environment)
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> str | None:
        """Train and test; gives the reason where there are no results."""
        try:
            return self.run.execute(self.tools, self.environment, self._started, threading.Event())
        finally:
            self._leave()

    def checkpoint(self) -> Any:
        """Let the training write a checkpoint and end; gives what goes on later."""
        from submitit.core.utils import DelayedSubmission

        self._leave()
        return DelayedSubmission(Job(self.run, self.tools, self.environment))

    def _started(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def _leave(self) -> None:
        """End what was started. A signal may have interrupted the wait for it, so not by Popen."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(process.pid, 15)
            end = time.monotonic() + LEAVING
            while time.monotonic() < end:
                if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    return
                time.sleep(0.1)


def submit_all(
    runs: Sequence[SomeWork],
    tools: Path | None,
    cluster: Cluster,
    folder: Path,
    resources: Mapping[str, Mapping[str, Any]],
    environments: Sequence[Mapping[str, str]],
    done: Callable[[SomeWork, str | None], None],
    look: Callable[[], None] = lambda: None,
) -> None:
    """Submit each run as a job and wait for them; interrupted, it cancels them.

    Args:
        runs: What to execute, in order.
        tools: See ``run_all``.
        cluster: Where.
        folder: Gets the logs of each job.
        resources: Of the runs of a row, by its name: submitit's parameters.
        environments: Of the jobs that there may be at a time, queued ones too.
        done: Told of every run that ended, and why it failed.
        look: Called again and again while jobs go on.

    Raises:
        ImportError: submitit is not installed.
        ValueError: There is no such cluster here, or a resource is unknown to it.
    """
    executors = {
        row: _executor(cluster, folder, row, resources[row])
        for row in dict.fromkeys(run.row for run in runs)
    }
    waiting, free = list(runs), list(environments)
    jobs: list[tuple[Any, SomeWork, Mapping[str, str]]] = []
    try:
        while waiting or jobs:
            while waiting and free:
                run, environment = waiting.pop(0), free.pop(0)
                job = executors[run.row].submit(Job(run, tools, environment))
                jobs.append((job, run, environment))
            for one in [one for one in jobs if one[0].done()]:
                jobs.remove(one)
                free.append(one[2])
                done(one[1], _failure(one[0]))
            look()
            time.sleep(POLL[cluster])
    except BaseException:
        for job, _, _ in jobs:
            job.cancel()
        raise


def check_resources(
    cluster: Cluster, folder: Path, resources: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse resources that the cluster does not know, before anything runs; see ``submit_all``."""
    for row, given in resources.items():
        _executor(cluster, folder, row, given)


def _executor(cluster: Cluster, folder: Path, row: str, resources: Mapping[str, Any]) -> Any:
    submitit: Any = require('submitit', needed_by='--submit')
    if cluster == 'slurm' and not {'timeout_min', 'slurm_time'} & set(resources):
        raise ValueError(
            '--submit slurm: say how many minutes a job may take, such as --resources '
            'timeout_min=1440 gpus_per_node=1 cpus_per_task=8. It is put back when they are over.'
        )
    try:
        executor = submitit.AutoExecutor(
            folder,
            cluster=cluster,
            slurm_max_num_timeout=PUT_BACK,
            local_max_num_timeout=PUT_BACK,
        )
        executor.update_parameters(**{'name': row, 'timeout_min': A_MONTH, **resources})
    except (AssertionError, NameError, RuntimeError) as error:
        raise ValueError(f'--submit {cluster}, row {row}: {error}') from error
    return executor


def _failure(job: Any) -> str | None:
    problem = job.exception()
    if problem is None:
        answer: str | None = job.result()
        return answer
    return f'job {job.job_id} ended without an answer: {problem}. Its logs: {job.paths.stderr}'
