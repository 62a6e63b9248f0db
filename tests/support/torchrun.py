"""Tools in several processes."""

import os
import subprocess
import sys

from support.paths import ROOT


def torchrun(number, tool, *arguments, **options):
    """Run a tool in so many processes, each with one thread."""
    launcher = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={number}']
    given = [f'{key}={value}' for key, value in options.items()]
    command = [sys.executable, *launcher, ROOT / f'tools/{tool}.py', *arguments]
    return subprocess.run(
        [str(part) for part in [*command, '--launcher', 'pytorch', '--cfg-options', *given]],
        env=os.environ | {'OMP_NUM_THREADS': '1', 'MASTER_ADDR': '127.0.0.1'},
        capture_output=True,
        text=True,
    )
