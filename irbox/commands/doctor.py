"""``irbox doctor``: what this machine can do, and what is missing."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Row = tuple[str, str]

PACKAGES = ('torch', 'torchvision', 'mmengine-lite', 'timm', 'open_clip_torch', 'Pillow')
# What can be added: module -> (what for, how to get it).
OPTIONAL = {
    'selective_scan_cuda': (
        "Mamba's own CUDA kernels",
        "pip install --no-build-isolation 'irbox[cuda]'",
    ),
    'triton': ('Triton kernels of the scan (CUDA GPUs)', 'comes with torch for Linux'),
    'lpips': ('LPIPS', "pip install 'irbox[metrics]'"),
    'torch_fidelity': ('FID', "pip install 'irbox[metrics]'"),
    'matplotlib': ('plots', "pip install 'irbox[analysis]'"),
    'sklearn': ('photographs of the demo', "pip install 'irbox[analysis]'"),
    'tensorboard': ('TensorBoard', "pip install 'irbox[track]'"),
    'pillow_heif': ('HEIC pictures', "pip install 'irbox[formats]'"),
    'av': ('video files', "pip install 'irbox[video]'"),
    'gradio': ('the page (irbox ui)', "pip install 'irbox[ui]'"),
    'shtab': ('shell completion', "pip install 'irbox[completion]'"),
}
SIDES = (256, 768, 1536)
"""Sides of the matrices whose products are timed; the last is past all start-up costs."""
PATIENCE = 0.05
"""Seconds after which no larger product is tried."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('--no-speed', action='store_true', help='leave the timing out')


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    from rich.table import Table

    from irbox.utils.console import console

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _rows(speed=not args.no_speed):
        table.add_row(name, value)
    console().print(table)


def _rows(speed: bool) -> Iterator[Row]:
    import torch

    import irbox

    yield 'irbox', f'{irbox.__version__}, Python {platform.python_version()}, {sys.platform}'
    yield 'packages', ', '.join(f'{name} {_version(name)}' for name in PACKAGES)
    devices = list(_devices())
    for device, text in devices:
        yield device, text
    yield 'threads', f'{torch.get_num_threads()} of {os.cpu_count()} cores'
    yield 'memory', _memory()
    free = shutil.disk_usage('.').free
    yield 'disk', f'{free / 2**30:.0f} GiB free in this folder'
    for module, (purpose, remedy) in OPTIONAL.items():
        there = find_spec(module) is not None
        yield purpose, 'found' if there else f'missing: {remedy}'
    if speed:
        for device, _ in devices:
            yield f'speed ({device})', _speed(torch.device(device.split()[0]))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'missing'


def _devices() -> Iterator[Row]:
    import torch

    fast = getattr(torch.backends.cpu, 'get_cpu_capability', lambda: 'unknown')()
    yield 'cpu', f'{platform.processor() or platform.machine()}, vector instructions: {fast}'
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        kind = 'ROCm' if torch.version.hip else 'CUDA'
        name = torch.cuda.get_device_name(index)
        yield f'cuda:{index}', f'{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free, {kind}'
    if torch.backends.mps.is_available():
        yield 'mps', 'Apple GPU'
    if hasattr(torch, 'xpu'):
        for index in range(torch.xpu.device_count()):
            yield f'xpu:{index}', torch.xpu.get_device_name(index)


def _memory() -> str:
    try:
        pages, size = os.sysconf('SC_PHYS_PAGES'), os.sysconf('SC_PAGE_SIZE')
        free = os.sysconf('SC_AVPHYS_PAGES')
    except (AttributeError, ValueError, OSError):  # not on every system
        return 'unknown'
    return f'{free * size / 2**30:.1f} of {pages * size / 2**30:.1f} GiB free'


def _speed(device: torch.device) -> str:
    """Best of a few square products: what the fastest part of a network can reach."""
    import torch

    parts = []
    for dtype in (torch.float32, torch.bfloat16):
        rate = 0.0
        # From small to large: where a type is emulated, the first product takes long enough.
        for side in SIDES:
            a = torch.ones(side, side, dtype=dtype, device=device)
            times = []
            for _ in range(3):
                start = time.perf_counter()
                (a @ a)[0, 0].item()  # .item() waits for a GPU
                times.append(time.perf_counter() - start)
            rate = max(rate, 2 * side**3 / min(times) / 1e9)
            if min(times) > PATIENCE:
                break
        parts.append(f'{str(dtype).removeprefix("torch.")} {rate:,.0f} Gflop/s')
    return 'matrix products, ' + ', '.join(parts)
