"""What a CUDA device is asked to do, recorded once as a graph and launched at once from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

Answer = TypeVar('Answer')
WARM_UPS = 2
"""Runs before the one that is recorded: the first may compile, try and reserve, the last must not
wait for the device."""


@dataclass
class Recording(Generic[Answer]):
    """A graph, and what it writes."""

    answer: Answer
    """Of the run that was recorded, in memory that each replay writes anew."""
    play: Callable[[], None]
    """Launches all of it."""
    pool: Any = None
    """The memory that it computes in."""
    stream: Any = None
    """That it was recorded on."""

    def replay(self) -> Answer:
        """Run it once more, on what its inputs hold now; the answer is overwritten by the next."""
        self.play()
        return self.answer


def record(
    run: Callable[[], Answer],
    device: torch.device,
    beside: Recording[Answer] | None = None,
    warm_ups: int = WARM_UPS,
) -> Recording[Answer]:
    """Record what a function launches on a CUDA device.

    It is run some times on a stream of its own, and once more to be recorded, in which nothing is
    computed: its answer holds numbers from the first replay on. The device's default generator is
    left as it was, and a replay draws what the function would draw then.

    Args:
        run: Reads and writes tensors that stay where they are, and gives tensors that hold no
            graph of autograd.
        device: A CUDA device.
        beside: Another recording, whose memory this one may compute in: each then spoils what the
            other computed.
        warm_ups: See ``WARM_UPS``; 1 at least.

    Raises:
        RuntimeError: It waits for the device, memory does not suffice, or something in it cannot be
            recorded.
    """
    with torch.cuda.device(device):
        stream, pool = (None, None) if beside is None else (beside.stream, beside.pool)
        stream = torch.cuda.Stream() if stream is None else stream  # type: ignore[no-untyped-call]
        state = torch.cuda.get_rng_state(device)
        try:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for left in range(warm_ups, 0, -1):
                    with _no_waiting(left == 1):
                        run()
            torch.cuda.current_stream().wait_stream(stream)
            graph: Any = torch.cuda.CUDAGraph()
            # Other threads may do as they like: one of a loader pins memory.
            with _graph(graph, pool, stream):
                answer = run()
        except RuntimeError:
            _end_of_recording(stream)
            raise
        finally:
            torch.cuda.set_rng_state(state, device)
    return Recording(answer, graph.replay, graph.pool(), stream)


@contextmanager
def casts_not_kept() -> Iterator[None]:
    """Let autocast cast weights at each use: what it kept would be freed under a graph."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


def cause_of(error: BaseException) -> str:
    """Say what went wrong first: the first line of the error that the others came from."""
    while error.__context__ is not None:
        error = error.__context__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip('.')


@contextmanager
def _no_waiting(on: bool) -> Iterator[None]:
    """Turn a wait for the device into an error: in a recording it would spoil more than that."""
    before = torch.cuda.get_sync_debug_mode()
    if on:
        torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _graph(graph: Any, pool: Any, stream: Any) -> Any:
    return torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode='thread_local')


def _end_of_recording(stream: Any) -> None:
    """Bring generators out of a recording that failed: one that does not fail ends it."""
    with suppress(RuntimeError), _graph(torch.cuda.CUDAGraph(), None, stream):
        torch.zeros(1, device='cuda')
