"""What evaluating several sets in a validation and in a test have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean
from typing import Any, Literal

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from irbox.evaluation.tasks import MEAN, name_tasks

Loaders = DataLoader | Mapping[str, Any]


class MultiLoop(BaseLoop):
    """Runs the model over one or several sets, and names what was measured by task.

    A metric reports ``{label}/{score}`` for each degradation of a set, as ``RestorationMetric``
    does; the loop returns ``{task}/{score}``, see ``name_tasks``, and ``mean/{score}``, the mean
    over the tasks. Scores without a label become ``{set}/{score}`` and have no mean.

    While it runs, ``dataloader`` is the loader of the current set, for hooks that ask for it.

    Args:
        runner: The Runner.
        dataloader: A data loader or its config, or a mapping from the names of sets to those. A set
            that is ``null`` is left out.
        evaluator: An mmengine evaluator or its config.
    """

    mode: Literal['val', 'test']

    def __init__(
        self,
        runner: Any,
        dataloader: Loaders,
        evaluator: Evaluator | dict[str, Any] | list[dict[str, Any]],
    ) -> None:
        sets: Mapping[str, Any] = {'': dataloader}
        if isinstance(dataloader, Mapping) and 'dataset' not in dataloader:
            sets = dataloader
        self.dataloaders = {
            name: loader
            if isinstance(loader, DataLoader)
            else runner.build_dataloader(loader, seed=runner.seed)
            for name, loader in sets.items()
            if loader is not None
        }
        super().__init__(runner, next(iter(self.dataloaders.values())))
        self.evaluator = runner.build_evaluator(evaluator)
        self.current_set = ''
        self.tasks: dict[tuple[str, str], str] = {}
        """(set, label) to the name of the task, known after a run."""

    @property
    def num_batches(self) -> int:
        """Batches of all sets, in this process."""
        return sum(len(loader) for loader in self.dataloaders.values())

    def run(self) -> dict[str, float]:
        """Evaluate; gives the metrics."""
        call, mode = self.runner.call_hook, self.mode
        call(f'before_{mode}')
        call(f'before_{mode}_epoch')
        self.runner.model.eval()
        results: dict[str, dict[str, float]] = {}
        for name, loader in self.dataloaders.items():
            self.current_set, self.dataloader = name, loader
            for index, batch in enumerate(loader):
                self.run_iter(index, batch)
            results[name] = self.evaluator.evaluate(len(loader.dataset))  # type: ignore[arg-type]
        metrics = self._merge(results)
        call(f'after_{mode}_epoch', metrics=metrics)
        call(f'after_{mode}')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Evaluate one batch."""
        call, mode = self.runner.call_hook, self.mode
        call(f'before_{mode}_iter', batch_idx=idx, data_batch=data_batch)
        outputs = getattr(self.runner.model, f'{mode}_step')(data_batch)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        call(f'after_{mode}_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)

    def _merge(self, results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        labels = {
            name: list(dict.fromkeys(key.rpartition('/')[0] for key in found if '/' in key))
            for name, found in results.items()
        }
        self.tasks = name_tasks(labels)
        metrics: dict[str, float] = {}
        columns: dict[str, list[float]] = defaultdict(list)
        for name, found in results.items():
            for key, value in found.items():
                label, _, score = key.rpartition('/')
                if label:
                    metrics[f'{self.tasks[name, label]}/{score}'] = value
                    columns[score].append(value)
                else:
                    metrics[f'{name}/{score}' if name else score] = value
        return metrics | {f'{MEAN}/{score}': fmean(found) for score, found in columns.items()}
