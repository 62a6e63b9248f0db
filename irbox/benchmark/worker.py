"""The process in which one variant runs: its own memory, its own threads, its own irbox.

Run as a file, with the folder of a checkout in ``PYTHONPATH``; so it uses of irbox only what every
checkout has. A request is a line of JSON on standard input, the answer one on standard output.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Request = dict[str, Any]
Run = Callable[[Tensor], Any]


class Worker:
    """Holds a network and runs it when told to."""

    def __init__(self) -> None:
        self.device = torch.device('cpu')
        self.dtype = torch.float32
        self.train = False
        self.before = self.peak = 0
        self.built: Request | None = None
        self.run: Run | None = None
        self.optimizer: Any = None

    def build(self, request: Request) -> Request:
        """Build the network with the given weights, and make the input."""
        torch.set_num_threads(request['threads'])
        if request['keep_memory']:
            from irbox.utils.keep_memory import keep_memory

            if not keep_memory():
                raise OSError('memory is not kept here: the allocator is not glibc')
        has_learned = self.train
        self.device = torch.device(request['device'])
        self.dtype = torch.bfloat16 if request['precision'] == 'bf16' else torch.float32
        self.train = request['task'] == 'train'
        self._forget()
        self.peak = 0
        asked = {name: request[name] for name in ('network', 'build', 'operator_scan')}
        if self.built != asked or has_learned:  # steps change weights
            self.network = self._network(request)
            self.built = asked
        network = self.network.to(self.device).train(self.train)
        shape = request['batch'], 3, request['height'], request['width']
        generator = torch.Generator().manual_seed(1)
        self.image, self.target = (
            torch.rand(shape, generator=generator).to(self.device) for _ in range(2)
        )
        for weight, learns in zip(network.parameters(), self.learning, strict=True):
            weight.requires_grad_(learns and self.train)
        captured = self.train and request['runtime'] == 'captured'
        if self.train:
            trained = [weight for weight in network.parameters() if weight.requires_grad]
            way = captured or None  # torch's own choice where it is not
            self.optimizer = torch.optim.AdamW(trained, lr=1e-6, fused=way, capturable=captured)
        give_back_free_memory()
        self.before = memory('VmRSS', self.device)
        reset_peak(self.device)
        start = time.perf_counter()
        self.run = prepared(self.network, self.image, request['runtime'], self.casting)
        if captured:
            from irbox.benchmark.captured_training import CapturedTraining as Step

            self.optimizer = Step(network, self.optimizer, self.image, self.target, self.casting)
        return {'seconds': time.perf_counter() - start}

    def _network(self, request: Request) -> nn.Module:
        network = build_network(request['network'], request['plugins'])
        with np.load(request['weights']) as weights:
            network.load_state_dict({name: torch.from_numpy(one) for name, one in weights.items()})
        if request['build'] == 'textbook':
            from irbox.testing.reference import textbook

            network = textbook(network, 'operator' if request['operator_scan'] else 'loop')
        self.learning = [weight.requires_grad for weight in network.parameters()]
        return network

    def _forget(self) -> None:
        """Let go of what an earlier setting left on a device."""
        self.run, self.optimizer = None, None
        if self.built is not None:
            self.network.zero_grad(set_to_none=True)
        if self.device.type != 'cpu':
            gc.collect()
            torch.accelerator.empty_cache()

    def casting(self) -> AbstractContextManager[Any]:
        """Give the context of the precision."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def output(self, request: Request) -> Request:
        """Run once and save the answer, of training the gradients, as one flat tensor."""
        torch.manual_seed(2)  # routers draw noise in training
        if self.train:
            self._backward()
            grads = [w.grad for w in self.network.parameters() if w.requires_grad]
            answer = torch.cat([torch.zeros(0) if g is None else g.cpu().flatten() for g in grads])
        else:
            with torch.no_grad(), self.casting():
                assert self.run is not None
                answer = torch.as_tensor(self.run(self.image)).float().cpu().flatten()
        if self.device.type != 'cpu':  # before another variant runs in this process
            self.peak = memory('VmHWM', self.device)
        np.save(request['path'], answer.numpy())
        return {}

    def time(self, request: Request) -> Request:
        """Run once and give seconds of the clock and of the processor."""
        self._wait()
        wall, cpu = time.perf_counter(), time.process_time()
        if self.train:
            self._backward()
            self.optimizer.step()
        else:
            assert self.run is not None
            with torch.no_grad(), self.casting():
                self.run(self.image)
        self._wait()
        return {'wall': time.perf_counter() - wall, 'cpu': time.process_time() - cpu}

    def memory(self, request: Request) -> Request:
        """Give bytes at the peak, the part that came after the weights, and the process's peak."""
        peak = self.peak or memory('VmHWM', self.device)
        process = memory('VmHWM', torch.device('cpu'))
        return {'peak': peak, 'extra': peak - self.before, 'process': process}

    def machine(self, request: Request) -> Request:
        """Measure Gflop/s of a square product in each precision, and GB/s of a copy."""
        torch.set_num_threads(request['threads'])
        device, found = torch.device(request['device']), {}
        side = request['side']
        # By the clock that the variants are timed by, or a share of the machine means nothing.
        clock = time.process_time if request['clock'] == 'cpu' else time.perf_counter
        for name, dtype in (('fp32', torch.float32), ('bf16', torch.bfloat16)):
            if name in request['precisions']:
                a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
                found[name] = 2 * side**3 / fastest(partial(torch.mm, a, b), device, clock) / 1e9
        source = torch.randn(min(side * side * 16, 2**28), device=device)
        target = torch.empty_like(source)
        found['copy'] = (
            2 * source.nbytes / fastest(partial(target.copy_, source), device, clock) / 1e9
        )
        return found

    def _backward(self) -> None:
        assert self.run is not None
        if hasattr(self.optimizer, 'backward'):  # a step that is captured
            self.optimizer.backward()
            return
        self.optimizer.zero_grad(set_to_none=True)
        with self.casting():
            restored = self.run(self.image)
        (restored.float() - self.target).abs().mean().backward()

    def _wait(self) -> None:
        if self.device.type != 'cpu':
            torch.accelerator.synchronize(self.device)


def build_network(config: dict[str, Any], plugins: list[str]) -> nn.Module:
    """Build from the content of a config; modules moved within irbox over time."""
    if plugins:
        try:
            from irbox.config.plugins import load_plugins
        except ImportError:
            from irbox.engine.plugins import load_plugins  # type: ignore[no-redef]
        load_plugins(plugins)
    from irbox.registry import MODELS

    network: nn.Module = MODELS.build(config)
    return network.eval()


def prepared(
    network: nn.Module,
    image: Tensor,
    runtime: str,
    casting: Callable[[], AbstractContextManager[Any]],
) -> Run:
    """Give what runs the network, compiled or exported where asked for, tried once."""
    run: Run
    if runtime in ('onnxruntime', 'openvino'):  # of this checkout: older ones need not have it
        from irbox.benchmark import exported_runtimes

        exported_runtimes.check(runtime)  # what is missing is said before the work, not after it
    if runtime == 'eager':
        return network
    if runtime == 'captured':
        from irbox.restore.captured_network import CapturedNetwork

        if image.device.type != 'cuda':
            raise ValueError('captured: only what a CUDA device computes can be')
        if network.training:
            return network  # whose steps are captured, not its answers
        run = CapturedNetwork(network)
        with torch.no_grad(), casting():
            run(image)
    elif runtime == 'compiled':
        run = torch.compile(network)
    else:
        with torch.no_grad(), casting():
            program = torch.export.export(network, (image,))
        run = program.module()
        if runtime == 'onnxruntime':
            run = exported_runtimes.in_onnxruntime(program, image)
        elif runtime == 'openvino':
            run = exported_runtimes.in_openvino(program)
    with torch.no_grad() if not network.training else nullcontext(), casting():
        run(image)
    return run


def fastest(
    run: Callable[[], Any],
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
    repeats: int = 5,
) -> float:
    """Give the seconds of the fastest of some runs."""
    found = []
    for _ in range(repeats + 1):
        start = clock()
        run()
        if device.type != 'cpu':
            torch.accelerator.synchronize(device)
        found.append(clock() - start)
    return min(found[1:])


def memory(field: str, device: torch.device) -> int:
    """Read bytes that this process holds (``VmRSS``) or held at most (``VmHWM``); 0 if unknown."""
    if device.type != 'cpu':
        peak = field == 'VmHWM'
        read = (
            torch.accelerator.max_memory_allocated if peak else torch.accelerator.memory_allocated
        )
        return int(read(device))
    try:
        status = Path('/proc/self/status').read_text(encoding='ascii')
    except OSError:  # not Linux
        return 0
    return int(status.split(f'{field}:')[1].split()[0]) * 1024


def give_back_free_memory() -> None:
    """Give back what building left free: activations that fill it would not be counted."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def reset_peak(device: torch.device) -> None:
    """Forget what building took at its peak, of the process too, where the system can."""
    if device.type != 'cpu':
        torch.accelerator.reset_peak_memory_stats(device)
    with suppress(OSError):  # not Linux, or not allowed: the peak is that of the process
        Path('/proc/self/clear_refs').write_text('5', encoding='ascii')


def in_a_line(error: Exception) -> str:
    """Say what went wrong: the kind of error and the first line of its text."""
    first = (str(error).strip().splitlines() or [''])[0]
    return f'{type(error).__name__}: {first}'


def main() -> None:
    """Answer requests until there are no more."""
    # What libraries print must not get into the answers.
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request['do'])(request)
        except Exception as error:  # whatever a build or a runtime raises is an answer
            answer = {'error': in_a_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == '__main__':
    main()
