"""A model whose weights are the running average of another's."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseAveragedModel
from torch import Tensor, nn


class _Place(NamedTuple):
    """Where a module keeps a tensor, which may become another."""

    owner: dict[str, Any]
    key: str

    def now(self) -> Tensor:
        tensor: Tensor = self.owner[self.key]
        return tensor


def _places(model: nn.Module, kind: str) -> dict[str, _Place]:
    """Find the places of all ``_parameters`` or ``_buffers`` by their names."""
    return {
        f'{path}.{key}' if path else key: _Place(vars(module)[kind], key)
        for path, module in model.named_modules()
        for key, tensor in vars(module)[kind].items()
        if tensor is not None
    }


class AveragedModel(BaseAveragedModel):  # type: ignore[misc]  # mmengine has no types
    """Exponential moving average of a model's weights.

    In mmengine's class, frozen weights are copied and averaged like all others; here they are
    shared, since they never change. And each weight is averaged by itself; here it is one call for
    all.

    Args:
        model: Whose weights are averaged.
        momentum: Weight of the newest weights, in the long run.
        warm_up: See ``EMAHook``.
        copied: A copy of the model, where it cannot be copied any more.
    """

    def __init__(
        self, model: nn.Module, momentum: float, warm_up: float, copied: nn.Module | None = None
    ) -> None:
        nn.Module.__init__(self)
        frozen = {id(weight): weight for weight in model.parameters() if not weight.requires_grad}
        own = copy.deepcopy(model, memo=frozen) if copied is None else copied
        self.module = own.requires_grad_(False)
        self.register_buffer('steps', torch.tensor(0))
        self.momentum, self.warm_up = momentum, warm_up
        self.interval, self.update_buffers = 1, False
        # Found once: to walk through a network of a thousand layers takes as long as to average it.
        self._own_buffers = _places(self.module, '_buffers')
        self._of: tuple[nn.Module, dict[str, _Place], dict[str, _Place]] | None = None
        self.avg_parameters = {
            name: weight
            for name, weight in self.module.named_parameters()
            if id(weight) not in frozen
        }

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Let the average take in the model's present weights."""
        if self._of is None or self._of[0] is not model:
            self._of = (model, _places(model, '_parameters'), _places(model, '_buffers'))
        _, weights, buffers = self._of
        average: list[Tensor] = list(self.avg_parameters.values())
        newest = [weights[name].now() for name in self.avg_parameters]
        steps = int(self.steps)
        share = max(self.momentum, self.warm_up / (self.warm_up + steps) if self.warm_up else 0.0)
        if average:
            torch._foreach_lerp_(average, newest, 1.0 if steps == 0 else share)
        for name, ours in self._own_buffers.items():
            ours.now().copy_(buffers[name].now())
        self.steps += 1

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: int) -> None:
        """Average one weight; ``update_parameters`` does it for all at once."""
        averaged_param.lerp_(source_param, self.momentum)
