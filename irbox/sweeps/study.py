"""A search on its way: trials, trained here, of a study that other processes may share."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmengine.config import Config

from irbox.analysis.curves import read_run
from irbox.config.load_config import config_text, load_config
from irbox.sweeps.run import Run
from irbox.sweeps.search import Range, Search
from irbox.utils.files import locked, write_text
from irbox.utils.optional import require

JOURNAL, BEST = 'study.journal', 'best.yaml'
# Seconds between two looks at the validations of a training, and to wait for the others.
POLL, WAIT = 2.0, 600.0


class Study:
    """Trials of a search, in a folder; the folder's journal is what processes agree by.

    Each trial has a folder ``trial_N`` and is trained like a run of a sweep. What a killed process
    left is gone on with by the next that looks. Values come from Optuna's TPE, seeded by the
    search's seed and the trial's number, and the median of earlier trials at the same iteration
    decides which are given up.

    Args:
        search: What to look for.
        folder: The same for all processes; file systems of several machines will do.
        tools: Folder of ``train.py``; None for the commands of the package.
        say: Told of what happened, a line each.
        environment: Added to that of each training.
        started: Told of each training's process.

    Raises:
        ImportError: Optuna is not installed.
        ValueError: The folder holds a study of another search.
    """

    def __init__(
        self,
        search: Search,
        folder: Path,
        tools: Path | None,
        say: Callable[[str], None],
        environment: Mapping[str, str] = MappingProxyType({}),
        started: Callable[[subprocess.Popen[bytes]], None] | None = None,
    ) -> None:
        optuna: Any = require('optuna', needed_by='--search')
        from optuna.storages.journal import JournalFileBackend

        self.search, self.folder, self.tools, self.say = search, folder, tools, say
        self.environment, self.started = dict(environment), started
        self._told: set[int] = set()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = folder / '.study.lock'
        with locked(self.lock, WAIT):
            self.study = optuna.create_study(
                study_name='search',
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
                direction=search.direction,
                pruner=optuna.pruners.MedianPruner(search.pruned_after, search.pruned_from),
                load_if_exists=True,
            )
            asked = {key: str(values) for key, values in sorted(search.space.items())}
            asked |= {'base': str(search.base), 'options': str(dict(search.options))}
            later = {'score': search.score, 'seed': str(search.seed)}
            asked |= later | {'direction': search.direction}
            # What earlier versions wrote of a study lacks the last three.
            later['direction'] = self.study.direction.name.lower()
            known = later | self.study.user_attrs.get('asked', asked)
            other = [key for key in known | asked if known.get(key) != asked.get(key)]
            if other:
                raise ValueError(
                    f'{folder} holds a study of another search: what differs is '
                    f'{", ".join(other)}. Choose another --work-dir.'
                )
            self.study.set_user_attr('asked', asked)

    def run(self) -> int:
        """Try until the trials are used up; gives how many failed here."""
        failed = 0
        while True:
            with ExitStack() as stack:
                with locked(self.lock, WAIT):
                    trial = self._next(stack)
                if trial is None:
                    return failed
                failed += not self._try(trial)
                with locked(self.lock, WAIT):
                    self._write_best()

    def news(self) -> Iterator[str]:
        """Say what became of trials, here and elsewhere, that ended since this was asked last."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.is_finished() and trial.number not in self._told:
                self._told.add(trial.number)
                yield self._line(trial)

    def _line(self, trial: Any) -> str:
        name, state = f'trial_{trial.number}', trial.state.name
        shown = ', '.join(f'{key}={value}' for key, value in trial.params.items())
        if state == 'PRUNED':
            return f'{name}: given up, {shown}'
        if state == 'FAIL':
            return f'{name}: failed, {shown}: {trial.user_attrs.get("reason", "")}'
        return f'{name}: {self.search.score} {trial.value:.4g}, {shown}'

    def _next(self, stack: ExitStack) -> Any:
        """Give a trial that nobody works at, held by a lock of its own; None at the end."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        state = optuna.trial.TrialState
        for one in trials:
            if one.state != state.RUNNING or not self._hold(stack, one.number):
                continue
            if one.params.keys() == self.search.space.keys():
                return optuna.trial.Trial(self.study, one._trial_id)
            # Its process was killed while it chose values: trained, it would be the base's.
            left = optuna.trial.Trial(self.study, one._trial_id)
            self._fail(left, 'its process ended before it had all values')
            self._tell(left)
        if len(trials) >= self.search.trials:
            return None
        # Processes that share a seed would try the same.
        seed = self.search.seed + len(trials)
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        trial = self.study.ask()
        for key, values in self.search.space.items():
            _suggest(trial, key, values)
        assert self._hold(stack, trial.number), 'a new trial is nobody else’s'
        return trial

    def _hold(self, stack: ExitStack, number: int) -> bool:
        path = self.folder / f'trial_{number}.lock'
        try:
            stack.enter_context(locked(path))
        except BlockingIOError:
            return False
        return True

    def _fail(self, trial: Any, reason: str) -> None:
        import optuna

        trial.set_user_attr('reason', reason)
        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def _config(self, values: Mapping[str, Any]) -> Config:
        seed = {'randomness.seed': self.search.seed}
        return load_config(self.search.base, {**self.search.options, **values, **seed})

    def _try(self, trial: Any) -> bool:
        """Train a trial, and tell the study; gives whether it did not fail."""
        import optuna

        name = f'trial_{trial.number}'
        try:
            config = config_text(self._config(trial.params))
        except ValueError as error:
            # Values of which each is right may be wrong together.
            self._fail(trial, str(error))
            self._tell(trial)
            return False
        run = Run(name, self.search.seed, config, self.folder / name, tested=False)
        watch = _Watch(trial, self.search.score, run.folder)

        def started(process: subprocess.Popen[bytes]) -> None:
            watch.started(process)
            if self.started is not None:
                self.started(process)

        try:
            failure = run.execute(self.tools, self.environment, started, threading.Event())
        finally:
            watch.stop()
        scores = watch.scores()
        failed = not watch.given_up and (bool(failure) or not scores)
        if watch.given_up:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif failed:
            self._fail(trial, failure or f'no validation gave {self.search.score}')
        else:
            self.study.tell(trial, scores[max(scores)])
        self._tell(trial)
        return not failed

    def _tell(self, trial: Any) -> None:
        self.say(self._line(self.study.get_trials(deepcopy=False)[trial.number]))

    def _write_best(self) -> None:
        try:
            best = self.study.best_trial
        except ValueError:
            return  # none is finished
        text = f'# {self.search.title}: trial {best.number}, {self.search.score} {best.value:.6g}\n'
        write_text(self.folder / BEST, text + config_text(self._config(best.params)))


class _Watch:
    """Looks at the validations of a training that goes on, and ends one that is not worth it."""

    def __init__(self, trial: Any, score: str, folder: Path) -> None:
        self.trial, self.score, self.folder = trial, score, folder
        self.given_up = False
        self.seen: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def started(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and end the training if it still goes on."""
        self._ended.set()
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
            self._thread.join()
        # Those of a short training, too: others are compared with them.
        self._report()

    def scores(self) -> dict[int, float]:
        """Read what the validations gave: iteration -> score."""
        try:
            return read_run(self.folder).get(self.score, {})
        except FileNotFoundError:
            return {}

    def _report(self) -> None:
        scores = self.scores()
        for step in sorted(set(scores) - self.seen):
            self.seen.add(step)
            self.trial.report(scores[step], step)

    def _look(self) -> None:
        while not self._ended.wait(POLL):
            self._report()
            if self.seen and self.trial.should_prune():
                self.given_up = True
                assert self.process is not None
                self.process.terminate()
                return


def _suggest(trial: Any, key: str, values: Range | tuple[Any, ...]) -> Any:
    if not isinstance(values, Range):
        return trial.suggest_categorical(key, values)
    if values.whole:
        step = int(values.step or 1)
        return trial.suggest_int(key, int(values.low), int(values.high), log=values.log, step=step)
    return trial.suggest_float(key, values.low, values.high, log=values.log, step=values.step)
