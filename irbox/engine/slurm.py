"""What Slurm tells the processes of a job: who they are, where they meet, when it ends."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

ASKED = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID')
NODES = ('SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST', 'SLURM_NODELIST')
# Below the ports that systems hand out by themselves (32768 and above).
FIRST_PORT, PORTS = 20_000, 12_000
MARGIN = 120.0
"""Seconds before the end of a job at which a training leaves, as ``tools/slurm_train.sh`` asks."""


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Translate what ``srun`` sets into the variables that torchrun sets.

    mmengine does this with the command ``scontrol``, which containers lack, always sets a GPU, and
    takes one port for all jobs of a node. Here the first node is read from the list of nodes, and
    the port follows from job and step; ``MASTER_ADDR`` and ``MASTER_PORT`` win where they are set.

    Args:
        environment: Of this process.

    Returns:
        ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``.

    Raises:
        ValueError: ``srun`` did not start this process.
    """
    nodes = next((environment[name] for name in NODES if name in environment), None)
    missing = [name for name in ASKED if name not in environment]
    missing += ['SLURM_JOB_NODELIST'] if nodes is None else []
    if missing or nodes is None:
        raise ValueError(
            f'--launcher slurm needs the variables that srun sets ({", ".join(missing)} missing). '
            'Start with: srun --ntasks=2 python tools/train.py CONFIG --launcher slurm, or sbatch '
            'tools/slurm_train.sh CONFIG.'
        )
    job, step = (
        int(found[0]) if (found := re.match(r'\d+', environment.get(name, ''))) else 0
        for name in ('SLURM_JOB_ID', 'SLURM_STEP_ID')
    )
    return {
        'RANK': environment['SLURM_PROCID'],
        'WORLD_SIZE': environment['SLURM_NTASKS'],
        'LOCAL_RANK': environment['SLURM_LOCALID'],
        'MASTER_ADDR': environment.get('MASTER_ADDR') or first_node(nodes),
        'MASTER_PORT': environment.get('MASTER_PORT')
        or str(FIRST_PORT + (job * 31 + step) % PORTS),
    }


def first_node(nodes: str) -> str:
    """Name the first node of Slurm's list, such as ``gpu01`` of ``gpu[01-04,7],cpu2``."""
    return re.sub(r'\[(\w+)[^\]]*\]', r'\1', nodes).split(',')[0]


def seconds_left(environment: Mapping[str, str] = os.environ) -> float | None:
    """Tell how long a training may go on in the job that it is in, so that it ends by itself.

    Slurm tells the end in ``SLURM_JOB_END_TIME``. A checkpoint gets the last ``MARGIN`` seconds of
    the job, but no more than a tenth of what is left of it.

    Returns:
        Seconds from now; None where no end is known.
    """
    end = environment.get('SLURM_JOB_END_TIME', '')
    if not end.isdecimal():
        return None
    left = max(int(end) - time.time(), 0.0)
    return left - min(MARGIN, left / 10)
