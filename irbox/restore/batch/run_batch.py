"""Reading, restoring and writing side by side, one bad file never stopping the rest."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Generic, Protocol, TypeVar

from irbox.restore.batch.job import Job, Outcome

READ_AHEAD = 1
"""Pictures that wait for the network; more would cost memory and gain nothing."""

PictureT = TypeVar('PictureT')
AnswerT = TypeVar('AnswerT')


class Steps(Protocol, Generic[PictureT, AnswerT]):
    """What is done with each job; errors of any step fail the job and nothing else."""

    def read(self, job: Job) -> PictureT:
        """Decode the source; in a thread of its own."""
        ...

    def restore(self, picture: PictureT, outcome: Outcome) -> AnswerT:
        """Run the network, and put what it tells into the outcome; in the calling thread."""
        ...

    def write(self, job: Job, picture: PictureT, answer: AnswerT, outcome: Outcome) -> None:
        """Encode and write the target, whole or not at all; in a thread of its own."""
        ...


def run_batch(
    jobs: Sequence[Job],
    steps: Steps[PictureT, AnswerT],
    done: Callable[[Outcome], None],
    stop: threading.Event,
) -> list[Outcome]:
    """Restore pictures while the next is decoded and the last is encoded.

    Args:
        jobs: What to do, in this order.
        steps: How.
        done: Told of each outcome when its file is whole on the disk, or has failed. Called one at
            a time, from the calling thread.
        stop: Once set, the picture at hand is finished and no other begun.

    Returns:
        An outcome for each job that was begun.
    """
    outcomes: list[Outcome] = []
    writing: tuple[Outcome, Future[None]] | None = None

    def settle() -> None:
        nonlocal writing
        if writing is not None:
            outcome, future = writing
            writing = None
            with failing(outcome):
                future.result()
            outcomes.append(outcome)
            done(outcome)

    left = deque(jobs)
    with (
        ThreadPoolExecutor(1, 'irbox-read') as reader,
        ThreadPoolExecutor(1, 'irbox-write') as writer,
    ):
        ahead: deque[tuple[Job, Future[PictureT]]] = deque()
        while (left or ahead) and not stop.is_set():
            while left and len(ahead) <= READ_AHEAD:
                job = left.popleft()
                ahead.append((job, reader.submit(steps.read, job)))
            job, reading = ahead.popleft()
            outcome = Outcome(job, 'restored')
            with failing(outcome):
                picture = reading.result()
                start = time.perf_counter()
                answer = steps.restore(picture, outcome)
                outcome.seconds = time.perf_counter() - start
            settle()
            if outcome.status == 'failed':
                outcomes.append(outcome)
                done(outcome)
            else:
                writing = outcome, writer.submit(steps.write, job, picture, answer, outcome)
                # The writer has them now; a large picture should not be held twice.
                del picture, answer
        for _, waiting in ahead:
            waiting.cancel()
        settle()
    return outcomes


@contextmanager
def failing(outcome: Outcome) -> Iterator[None]:
    """Turn whatever goes wrong into an outcome that says so in one line."""
    try:
        yield
    except Exception as error:  # whatever a decoder, the network or a disk may raise
        outcome.status = 'failed'
        text = ' '.join(str(error).split())
        ours = isinstance(error, (ValueError, OSError, MemoryError)) and text
        outcome.reason = text if ours else f'{type(error).__name__}: {text}'.rstrip(': ')


@contextmanager
def finishing_on_interrupt(say: Callable[[str], None]) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or a request to end) into an event; the second interrupts at once.

    Args:
        say: Told once that the picture at hand is being finished.
    """
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say('Finishing the picture at hand; once more to end at once.')

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    try:
        for one in before:
            signal.signal(one, handle)
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
