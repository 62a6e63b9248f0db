"""What the processes that hold a model do."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import numpy as np

from irbox.restore.batch.make_record import make_record
from irbox.restore.batch.run_batch import failing
from irbox.restore.batch.settings import Settings
from irbox.restore.cluster.stages import STATE, Passed
from irbox.restore.load import load
from irbox.restore.restore_together import restore_together


class Restore:
    """Holds a model and restores pictures; those of one size together.

    Args:
        model: The arguments of ``irbox.load``.
        settings: How.
    """

    def __init__(self, model: dict[str, Any], settings: Settings) -> None:
        self.model = load(**model)
        self.settings, self.options = settings, settings.options()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Restore a batch: a column of ``Passed`` -> the same, with answers."""
        several: list[Passed] = list(batch[STATE])
        sizes: dict[Any, list[Passed]] = defaultdict(list)
        for passed in several:
            if passed.picture is not None:
                sizes[passed.picture.pixels.shape].append(passed)
        for together in sizes.values():
            self._restore(together)
        column = np.empty(len(several), dtype=object)
        column[:] = [passed.as_row()[STATE] for passed in several]
        return {STATE: column}

    def _restore(self, several: list[Passed]) -> None:
        start = time.perf_counter()
        pictures = [passed.picture for passed in several if passed.picture is not None]
        answers = restore_together(self.model, pictures, self.options)
        for passed, picture, answer in zip(several, pictures, answers, strict=True):
            outcome = passed.outcome
            with failing(outcome):
                if isinstance(answer, Exception):
                    raise answer
                passed.pixels = answer.at(answer.strength)
                passed.record = make_record(self.model, self.settings, picture, answer.report)
                outcome.megapixels = answer.report.megapixels
                outcome.details = {self.model.name: answer.report.as_dict()}
                outcome.notes += answer.report.notes
        for passed in several:
            passed.outcome.seconds = (time.perf_counter() - start) / len(several)
