"""Time and memory of the selective scan, beside a plain loop, in one run."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from irbox.layers.selective_scan import selective_scan

Scan = Callable[..., Tensor]


def plain_loop(u: Tensor, delta: Tensor, rates: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Scan as one would write it first: a loop over the steps, left to autograd."""
    state = u.new_zeros(*u.shape[:2], rates.shape[1])
    answer = []
    for x, step, write, read in zip(*(t.unbind(-1) for t in (u, delta, b, c)), strict=True):
        decay = torch.exp(step[..., None] * rates)
        state = decay * state + (step * x)[..., None] * write[:, None]
        answer.append((state * read[:, None]).sum(-1))
    return torch.stack(answer, dim=-1)


def scans(device: str) -> dict[str, Scan]:
    """Give what is compared on a device."""
    found: dict[str, Scan] = {'plain loop': plain_loop}
    for backend in ('torch', 'auto'):
        found[f'backend={backend}'] = partial(selective_scan, backend=backend)
    return found


def make_inputs(batch: int, dim: int, state: int, length: int, device: str) -> list[Tensor]:
    """Draw u, delta, A, B and C, filled in place: a temporary would raise the peak of memory."""
    torch.manual_seed(0)
    u, b, c = (torch.empty(batch, d, length, device=device).normal_() for d in (dim, state, state))
    delta = torch.empty_like(u).uniform_(0.001, 0.1)
    rates = torch.empty(dim, state, device=device).uniform_(-state, -1)
    return [t.requires_grad_() for t in (u, delta, rates, b, c)]


def seconds(scan: Scan, inputs: list[Tensor]) -> tuple[float, float]:
    """Measure the time of a forward and of a backward pass."""

    def now() -> float:
        if inputs[0].is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    start = now()
    answer = scan(*inputs)
    middle = now()
    torch.autograd.grad(answer.sum(), inputs)
    return middle - start, now() - middle


def extra_memory(name: str, train: bool, sizes: tuple[int, int, int, int], device: str) -> float:
    """Measure the MiB that a forward pass adds to the peak of this process (CUDA: of the device).

    Run it in a process of its own: the peak of a process never falls. On CPU it needs Linux.
    """
    torch.set_num_threads(1)
    logging.disable()
    scan = scans(device)[name]
    batch, dim, state, _ = sizes
    scan(*make_inputs(batch, dim, state, 64, device))  # libraries and caches come first
    inputs = make_inputs(*sizes, device)

    def peak() -> float:
        if device == 'cpu':
            # Not getrusage: there a process starts with the peak of the one that started it.
            status = Path('/proc/self/status').read_text(encoding='ascii')
            return int(status.split('VmHWM:')[1].split()[0]) / 1024
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() / 2**20

    before = peak()
    with torch.set_grad_enabled(train):
        answer = scan(*inputs)
    after = peak()
    del answer
    return after - before


def measure_memory(name: str, train: bool, sizes: tuple[int, int, int, int], device: str) -> float:
    """Measure `extra_memory` in a fresh process.

    Raises:
        ChildProcessError: It was ended.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        try:
            return pool.submit(extra_memory, name, train, sizes, device).result()
        except BrokenProcessPool:
            raise ChildProcessError(
                f'The process that measures the memory of {name} was ended. Where memory did not '
                'suffice, give a smaller --memory-length.'
            ) from None


def run(args: argparse.Namespace) -> None:
    """Measure and print the table."""
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: torch finds no CUDA GPU here')
    threads = args.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    sizes = (args.batch, args.dim, args.state)

    inputs = make_inputs(*sizes, args.length, args.device)
    compared = scans(args.device)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in compared}
    for repeat in range(args.repeats + 1):
        for name, scan in compared.items():  # taken in turn, so that a busy moment hits all alike
            passed = seconds(scan, inputs)
            if repeat:  # the first run warms up
                times[name].append(passed)

    where = torch.cuda.get_device_name() if args.device == 'cuda' else f'{threads} CPU threads'
    console = Console()
    console.print(f'batch {args.batch}, dim {args.dim}, state {args.state}; {where}')
    console.print(f'torch {torch.__version__}, Python {platform.python_version()}')
    table = Table('ms', 'forward', 'backward', 'both', 'times as fast', title=f'L {args.length}')
    base = statistics.median(sum(pair) for pair in times['plain loop'])
    for name, pairs in times.items():
        columns = [*zip(*pairs, strict=True), [sum(pair) for pair in pairs]]
        *parts, both = (statistics.median(column) for column in columns)
        milliseconds = (f'{1000 * t:.1f}' for t in (*parts, both))
        table.add_row(name, *milliseconds, f'{base / both:.2f}')
    console.print(table)
    title = f'L {args.memory_length}, forward'
    table = Table('extra memory, MiB', 'inference', 'training', title=title)
    for name in compared:
        row = (
            measure_memory(name, train, (*sizes, args.memory_length), args.device)
            for train in (False, True)
        )
        table.add_row(name, *(f'{m:.1f}' for m in row))
    console.print(table)
