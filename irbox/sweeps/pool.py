"""Several runs at a time, on several GPUs or cores."""

from __future__ import annotations

import itertools
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from irbox.sweeps.run import Run

Environment = dict[str, str]


def environments(jobs: int | None, gpus: Sequence[str]) -> list[Environment]:
    """Give what each of the runs that go on at a time gets.

    Args:
        jobs: How many at a time; one per GPU by default.
        gpus: Their numbers, dealt out in turn. Without any the runs see what this process sees,
            and several share its cores.
    """
    number = jobs or len(gpus) or 1
    if gpus:
        return [
            {'CUDA_VISIBLE_DEVICES': gpu} for gpu in itertools.islice(itertools.cycle(gpus), number)
        ]
    if number == 1 or 'OMP_NUM_THREADS' in os.environ:
        return [{} for _ in range(number)]
    threads = max(1, _cores() // number)
    return [{'OMP_NUM_THREADS': str(threads)} for _ in range(number)]


def check_gpus(gpus: Sequence[str]) -> None:
    """Refuse GPUs that are not there: a run that sees none would train on the CPU.

    Raises:
        ValueError: This process sees no GPU, or fewer than a number says.
    """
    if not gpus:
        return
    import torch

    found = torch.cuda.device_count()
    # Numbers of the machine, which differ from those of a process that sees a part of it.
    restricted = 'CUDA_VISIBLE_DEVICES' in os.environ
    missing = [gpu for gpu in gpus if gpu.isdigit() and int(gpu) >= found]
    if not found or (missing and not restricted):
        raise ValueError(
            f'--gpus {",".join(gpus)}: this machine has {found} CUDA GPUs that torch can use, '
            'counted from 0. Without --gpus the runs take what they find.'
        )


def run_all(
    runs: Sequence[Run],
    tools: Path | None,
    slots: Sequence[Environment],
    done: Callable[[Run, str | None], None],
) -> None:
    """Execute runs, in order, as many at a time as there are slots.

    A run that fails does not stop the others. Interrupted, it ends the processes that it started.

    Args:
        runs: What to execute.
        tools: Folder of ``train.py`` and ``test.py``; None for the commands of the package.
        slots: From ``environments``.
        done: Told of every run that ended, and why it failed.
    """
    free: queue.SimpleQueue[Environment] = queue.SimpleQueue()
    for slot in slots:
        free.put(slot)
    processes: list[subprocess.Popen[bytes]] = []
    stopping = threading.Event()

    def started(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        if stopping.is_set():
            process.terminate()

    def work(run: Run) -> str | None:
        slot = free.get()
        try:
            return run.execute(tools, slot, started, stopping)
        except (OSError, ValueError) as error:
            return str(error)
        finally:
            free.put(slot)

    pool = ThreadPoolExecutor(len(slots))
    futures = {pool.submit(work, run): run for run in runs}
    try:
        for future in as_completed(futures):
            done(futures[future], future.result())
    except BaseException:
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            if process.poll() is None:
                process.terminate()
        raise
    finally:
        pool.shutdown()


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, 'sched_getaffinity', None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
