"""What irbox changes in mmengine, all in one place: safe loading, whole files, CPU processes."""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import register_backend
from mmengine.fileio.backends import LocalBackend
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader

from irbox.config import yaml_handler
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.slurm import process_environment
from irbox.registry import SCOPE
from irbox.utils.console import quieten
from irbox.utils.files import atomic_write


class AtomicLocalBackend(LocalBackend):  # type: ignore[misc]  # mmengine has no types
    """mmengine's way to the disk, except that files appear whole or not at all."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes."""
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(filepath) as file:
            file.write(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint file for mmengine: never runs code from the file."""
    return read_checkpoint(filename, map_location or 'cpu')


def init() -> None:
    """Prepare mmengine, as often as you like. Tools call it before they build anything."""
    quieten(MMLogger.get_current_instance())
    init_default_scope(SCOPE)
    yaml_handler.install()
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    # mmengine's schedulers step with every batch, its optimiser with every accumulated one.
    warnings.filterwarnings('ignore', message='Detected call of `scheduler.step')
    # mmengine builds its gradient scaler under the name that torch has replaced.
    warnings.filterwarnings('ignore', message='.*torch.cuda.amp.GradScaler', category=FutureWarning)


def set_up_processes(launcher: str, timeout: float | None = None) -> None:
    """Join the processes of a run: gloo on CPUs, NCCL on GPUs.

    mmengine's own set-up asks for a GPU in any case.

    Args:
        launcher: ``none``, ``pytorch`` (started by torchrun) or ``slurm`` (by srun).
        timeout: Seconds after which a process that waits for the others gives up; None for torch's.

    Raises:
        ValueError: The environment is not the launcher's.
    """
    if launcher == 'none' or torch.distributed.is_initialized():
        return
    if launcher == 'slurm':
        os.environ.update(process_environment(os.environ))
    missing = [name for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK') if name not in os.environ]
    if missing:
        raise ValueError(
            f'--launcher pytorch needs the variables that torchrun sets ({", ".join(missing)} '
            'missing). Start with: torchrun --nproc_per_node=2 tools/train.py CONFIG --launcher '
            'pytorch'
        )
    # mmengine would set it and warn in each process.
    os.environ.setdefault('MKL_NUM_THREADS', '1')
    if torch.cuda.is_available():
        # Slurm may show each process its own GPU alone.
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']) % torch.cuda.device_count())
    torch.distributed.init_process_group(
        'nccl' if torch.cuda.is_available() else 'gloo',
        timeout=None if timeout is None else timedelta(seconds=timeout),
    )


def leave_processes() -> None:
    """Leave what ``set_up_processes`` joined. After an error, ending the process is safer.

    All leave together: where one is told to stop its code is not 0, and a launcher that saw it
    would end those that are still writing.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
