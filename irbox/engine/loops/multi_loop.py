"""What evaluating several sets in a validation and in a test have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from irbox.engine.leaving import ValidationStopped
from irbox.evaluation import ImageMetric, center_crop
from irbox.evaluation.tables import MEAN, mean_of_tasks, name_tasks

Loaders = DataLoader[Any] | Mapping[str, Any]


class MultiLoop(BaseLoop):  # type: ignore[misc]  # mmengine has no types
    """Runs the model over one or several sets, and names what was measured by task.

    A metric reports ``{label}/{score}`` for each degradation of a set, see ``ImageMetric``; the
    loop returns ``{task}/{score}``, see ``name_tasks``, and ``mean/{score}``, the mean over the
    tasks of scores that have one, see ``mean_of_tasks``. Scores without a label become
    ``{set}/{score}`` and have no mean.

    Some protocols cut images before the network sees them (``ImageMetric.input_multiple``), or let
    it see tiles (``tile``). Where metrics differ in that, the network runs once for each way that
    makes a difference; hooks get what came of the first.

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
        self.passes: dict[tuple[int, int | None], list[Any]] = defaultdict(list)
        """Multiple that images are cut to and side of tiles -> the metrics that want it so."""
        for metric in self.evaluator.metrics:
            ours = isinstance(metric, ImageMetric)
            wanted = (metric.input_multiple, metric.tile) if ours else (1, None)
            self.passes[wanted].append(metric)
        self.current_set = ''
        self.tasks: dict[tuple[str, str], str] = {}
        """(set, label) to the name of the task, known after a run."""
        self.images: dict[str, list[tuple[str, str, dict[str, float]]]] = {}
        """Set to label, name and scores of each image, in the main process after a run."""

    @property
    def num_batches(self) -> int:
        """Count the batches of all sets, in this process."""
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
                if self.mode == 'val' and self.runner.agrees_to_stop():
                    raise ValidationStopped
                self.run_iter(index, batch)
            results[name] = self.evaluator.evaluate(len(loader.dataset))  # type: ignore[arg-type]
            self.images[name] = _join(self.evaluator.metrics)
        metrics = self._merge(results)
        call(f'after_{mode}_epoch', metrics=metrics)
        call(f'after_{mode}')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Evaluate one batch."""
        call, mode = self.runner.call_hook, self.mode
        call(f'before_{mode}_iter', batch_idx=idx, data_batch=data_batch)
        outputs: dict[Any, Any] = {}
        for (multiple, tile), metrics in self.passes.items():
            batch, size = _cut(data_batch, multiple)
            seen = (size, tile)
            if seen not in outputs:
                # A foreign model, which knows no tiles, is not told of none.
                given = batch if tile is None else batch | {'tile': tile}
                outputs[seen] = getattr(self.runner.model, f'{mode}_step')(given)
            for metric in metrics:
                metric.process(batch, outputs[seen])
        first = next(iter(outputs.values()))
        call(f'after_{mode}_iter', batch_idx=idx, data_batch=data_batch, outputs=first)

    def _merge(self, results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        labels = {
            name: list(dict.fromkeys(key.rpartition('/')[0] for key in found if '/' in key))
            for name, found in results.items()
        }
        self.tasks = name_tasks(labels)
        no_mean = {
            score
            for metric in self.evaluator.metrics
            if isinstance(metric, ImageMetric)
            for score, info in metric.scores.items()
            if not info.averaged
        }
        metrics: dict[str, float] = {}
        columns: dict[str, dict[str, float]] = defaultdict(dict)
        for name, found in results.items():
            for key, value in found.items():
                label, _, score = key.rpartition('/')
                if label:
                    task = self.tasks[name, label]
                    metrics[f'{task}/{score}'] = value
                    if score not in no_mean:
                        columns[score][task] = value
                else:
                    metrics[f'{name}/{score}' if name else score] = value
        return metrics | {f'{MEAN}/{score}': mean_of_tasks(columns, score) for score in columns}


def _join(metrics: Sequence[Any]) -> list[tuple[str, str, dict[str, float]]]:
    """What all metrics say of each image: they were given the same ones in the same order."""
    each = [metric.images for metric in metrics if isinstance(metric, ImageMetric)]
    return [
        (images[0][0], images[0][1], {name: v for one in images for name, v in one[2].items()})
        for images in zip(*each, strict=True)
    ]


def _cut(batch: dict[str, Any], multiple: int) -> tuple[dict[str, Any], torch.Size]:
    """A batch with its images cut to a multiple, and their size."""
    images = {key: batch[key] for key in ('image', 'target') if key in batch}
    try:
        batch = batch | {key: center_crop(image, multiple) for key, image in images.items()}
    except ValueError as error:
        raise ValueError(f'Image {", ".join(batch.get("name", ["?"]))}: {error}') from error
    return batch, batch['image'].shape[-2:]
