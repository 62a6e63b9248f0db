import os
import signal
import threading
import time
from pathlib import Path

import pytest

from irbox.restore.batch.job import Job
from irbox.restore.batch.run_batch import finishing_on_interrupt, run_batch

JOBS = [Job(Path(f'{i}.png'), Path(f'{i}.out')) for i in range(5)]


class Steps:
    """Steps that say when they ran, and fail where they are told to."""

    def __init__(self, fail=(), pause=0.0):
        self.fail = dict(fail)
        self.pause = pause
        self.log = []

    def _step(self, name, job):
        self.log.append((name, job.source.stem, threading.current_thread().name))
        time.sleep(self.pause)
        if (name, job.source.stem) in self.fail:
            raise self.fail[name, job.source.stem]

    def read(self, job):
        self._step('read', job)
        return job

    def restore(self, picture, outcome):
        self._step('restore', picture)
        outcome.megapixels = 1.5
        return f'answer {picture.source.stem}'

    def write(self, job, picture, answer, outcome):
        assert answer == f'answer {job.source.stem}' and picture is job
        self._step('write', job)


def run(steps, stop=None):
    told = []
    outcomes = run_batch(JOBS, steps, told.append, stop or threading.Event())
    assert told == outcomes
    return outcomes


def test_every_job_is_read_restored_and_written_in_order():
    steps = Steps()
    outcomes = run(steps)
    assert [one.job for one in outcomes] == JOBS
    assert {one.status for one in outcomes} == {'restored'}
    for name in ('read', 'restore', 'write'):
        assert [stem for step, stem, _ in steps.log if step == name] == list('01234')
    threads = {step: thread for step, _, thread in steps.log}
    assert threads['restore'] == 'MainThread' and len(set(threads.values())) == 3


def test_steps_overlap():
    """Five jobs of three steps of 0.1 s: 1.5 s one after another, 0.7 s side by side."""
    start = time.perf_counter()
    run(Steps(pause=0.1))
    assert time.perf_counter() - start < 1.2


@pytest.mark.parametrize('step', ['read', 'restore', 'write'])
@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (ValueError('not a\npicture'), 'not a picture'),
        (MemoryError('no room'), 'no room'),
        (KeyError(3), 'KeyError: 3'),
    ],
)
def test_one_bad_file_never_stops_the_rest(step, error, expected):
    outcomes = run(Steps({(step, '2'): error}))
    by_name = {one.job.source.stem: one for one in outcomes}
    assert by_name.pop('2').status == 'failed'
    assert len(by_name) == 4 and {one.status for one in by_name.values()} == {'restored'}
    assert next(one.reason for one in outcomes if one.status == 'failed') == expected


def test_the_picture_at_hand_is_finished_and_no_other_begun():
    stop = threading.Event()

    class Stopping(Steps):
        def restore(self, picture, outcome):
            if picture.source.stem == '1':
                stop.set()
            return super().restore(picture, outcome)

    outcomes = run(Stopping(), stop)
    assert [one.job.source.stem for one in outcomes] == ['0', '1']
    assert {one.status for one in outcomes} == {'restored'}


def test_the_first_interrupt_is_a_wish_and_the_second_an_order():
    said = []
    with finishing_on_interrupt(said.append) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(1) and len(said) == 1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
