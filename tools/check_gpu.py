"""Check a machine's GPU: tests marked ``gpu``, then networks beside textbook builds.

``python tools/check_gpu.py --out work_dirs/gpu --seconds 540`` runs the tests in several processes
while others compile the kernels that networks need, and then times networks one after the other.
All that is printed stays in the folder, as it comes; what the time does not suffice for is named.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
MODELS = ('m2restore_official', 'm2ir', 'unet')
SIZES = ('256x256', '480x720')
PYTEST = ('-m', 'pytest', '-o', 'addopts=--strict-markers')


@dataclass(frozen=True)
class Part:
    """A command of this check."""

    name: str
    command: tuple[str, ...]

    def run(self, folder: Path, deadline: float) -> str:
        """Run it to its end or the deadline and say how it went."""
        left = deadline - time.monotonic()
        if left <= 0:
            return f'{self.name}: no time was left'
        environment = os.environ | {'IRBOX_FUSED_TRAINING': '1', 'PYTHONUNBUFFERED': '1'}
        start = time.monotonic()
        with (
            (folder / f'{self.name}.log').open('w', encoding='utf-8') as log,
            subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            try:
                status = process.wait(left)
            except subprocess.TimeoutExpired:
                # With all that it started: nobody else is to wait for the device.
                os.killpg(process.pid, signal.SIGKILL)
                return f'{self.name}: not done in time'
        ended = 'done' if status == 0 else f'status {status}'
        return f'{self.name}: {ended}, {time.monotonic() - start:.0f} s'


def marked_tests() -> list[str]:
    """List the tests that need a GPU."""
    marked = [
        str(file)
        for file in sorted((ROOT / 'tests').rglob('test_*.py'))
        if 'mark.gpu' in file.read_text(encoding='utf-8')
    ]
    command = (sys.executable, *PYTEST, '-m', 'gpu', '--collect-only', '-q', *marked)
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    tests = [line for line in found.stdout.splitlines() if '::' in line]
    if not tests:
        raise RuntimeError(f'pytest finds no tests marked gpu:\n{found.stdout}{found.stderr}')
    return tests


def test_parts(tests: Sequence[str], processes: int) -> Iterator[Part]:
    """Deal the tests out: each process compiles what its own need."""
    for i in range(min(processes, len(tests))):
        yield Part(f'tests_{i}', (*PYTEST, '-v', '--tb=short', *tests[i::processes]))


def timing(device: str, model: str, task: str, *more: str) -> tuple[str, ...]:
    """Give the command that times a network."""
    config = f'configs/_base_/models/{model}.yaml'
    how = ('--device', device, '--task', task, '--precision', 'bf16')
    mode = 'captured' if device.startswith('cuda') else 'eager'
    return ('tools/benchmark.py', config, *how, '--mode', mode, *more)


def warming_parts(device: str, models: Sequence[str], sizes: Sequence[str]) -> Iterator[Part]:
    """Run each network once: compiled kernels stay on the disk."""
    # Steps of large maps side by side would need more memory than one device has.
    for task, some in (('forward', sizes), ('train', sizes[:1])):
        for model in models:
            more = ('--size', *some, '--rounds', '1')
            yield Part(f'warm_{task}_{model}', timing(device, model, task, *more))


def timing_parts(
    folder: Path, device: str, models: Sequence[str], sizes: Sequence[str], batches: Sequence[int]
) -> Iterator[Part]:
    """Time each network beside the textbook's build, the smallest settings first."""
    for batch in batches:
        for size in sizes:
            for task in ('forward', 'train'):
                for model in models:
                    name = f'{task}_{model}_{batch}x{size}'
                    more = ('--size', size, '--batch', str(batch), '--textbook', '--rounds', '5')
                    kept = ('--json', str(folder / f'{name}.json'))
                    yield Part(name, timing(device, model, task, *more, *kept))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts; 1 where one of them failed or was not done."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('--out', type=Path, default='work_dirs/gpu', help='logs and figures')
    parser.add_argument('--seconds', type=float, default=1800, help='(default: %(default)s)')
    parser.add_argument('--processes', type=int, default=8, help='of tests, at once')
    parser.add_argument('--device', default='cuda', help='cpu: to rehearse')
    parser.add_argument('--models', nargs='+', default=MODELS)
    parser.add_argument('--size', nargs='+', default=SIZES)
    parser.add_argument('--batch', nargs='+', type=int, default=[1, 8])
    args = parser.parse_args(arguments)
    deadline = time.monotonic() + args.seconds
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error('torch finds no CUDA device, and all tests would be skipped')
    try:
        tests = marked_tests()
    except RuntimeError as error:
        parser.error(str(error))
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    together = [
        *test_parts(tests, args.processes),
        *warming_parts(args.device, args.models, args.size),
    ]
    alone = list(timing_parts(out, args.device, args.models, args.size, args.batch))
    reports = []
    with ThreadPoolExecutor(len(together)) as pool:
        # What hangs there must not take the time of all that follows.
        first = time.monotonic() + args.seconds / 2
        for done in as_completed([pool.submit(part.run, out, first) for part in together]):
            reports.append(done.result())
            print(reports[-1], flush=True)
    for part in alone:
        reports.append(part.run(out, deadline))
        print(reports[-1], flush=True)
        log = out / f'{part.name}.log'
        if log.exists():
            print(log.read_text(encoding='utf-8'), flush=True)
    return int(any(': done' not in report for report in reports))


if __name__ == '__main__':
    sys.exit(main())
