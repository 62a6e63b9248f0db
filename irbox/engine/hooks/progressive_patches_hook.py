"""Training on larger and larger patches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypedDict

import torch
from mmengine.hooks import Hook
from torch import Tensor

from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt


class PatchStage(TypedDict):
    """A part of a training."""

    iters: PositiveInt
    patch: PositiveInt
    batch: PositiveInt


@HOOKS.register_module()
class ProgressivePatchesHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Trains on larger patches and smaller batches from stage to stage.

    The progressive learning of Restormer (CVPR 2022), whose code, and that of Histoformer,
    HOGformer and MODEM, does it as here: the largest batch of the largest patches is read, of which
    a stage keeps its first images, cut to a smaller patch at one random place.

    Args:
        stages: One after the other, ``{iters: 92_000, patch: 128, batch: 8}``; ``batch`` is that of
            a process. In a training of another length than all together, each has its share of it.

    Raises:
        ValueError: There is no stage. At the start of a training: the data set's patches, or its
            batches, are smaller than a stage's.
    """

    priority = 'VERY_HIGH'

    def __init__(self, stages: Sequence[PatchStage]) -> None:
        if not stages:
            raise ValueError(
                'ProgressivePatchesHook: stages is empty. Give at least one, such as '
                '{iters: 1000, patch: 128, batch: 8}.'
            )
        self.stages = list(stages)

    def before_train(self, runner: Any) -> None:
        """Check what is read, and say when which stage begins."""
        loader = runner.train_dataloader
        read = {
            'patch': ('dataset.patch_size', getattr(loader.dataset, 'patch_size', None)),
            'batch': ('batch_size', loader.batch_size),
        }
        for key, (name, there) in read.items():
            largest = max(int(stage[key]) for stage in self.stages)  # type: ignore[literal-required]
            if there is not None and there < largest:
                raise ValueError(
                    f'ProgressivePatchesHook: a stage has {key}={largest}, and '
                    f'train_dataloader.{name} is {there}. Set it to the largest of the stages.'
                )
        begins = [0, *self._ends(runner)]
        for begin, stage in zip(begins, self.stages, strict=False):
            runner.logger.info(
                f'From iteration {begin:,}: {stage["batch"]} patches of {stage["patch"]}.'
            )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Cut a batch, in place."""
        at = bisect_right(self._ends(runner), runner.iter)
        self.cut(data_batch, self.stages[min(at, len(self.stages) - 1)])

    def cut(self, data_batch: Any, stage: PatchStage) -> None:
        """Keep of a batch what a stage trains on, in place."""
        height, width = data_batch['image'].shape[-2:]
        # The loop seeds the global generators anew in each iteration.
        top, left = (
            int(torch.randint(max(side - stage['patch'], 0) + 1, ())) for side in (height, width)
        )
        for key, values in data_batch.items():
            kept = values[: stage['batch']]
            if isinstance(kept, Tensor) and kept.ndim == 4:
                kept = kept[..., top : top + stage['patch'], left : left + stage['patch']]
            data_batch[key] = kept

    def _ends(self, runner: Any) -> list[int]:
        """List after how many iterations each stage ends."""
        ends = list(accumulate(stage['iters'] for stage in self.stages))
        return [round(end * runner.max_iters / ends[-1]) for end in ends]
