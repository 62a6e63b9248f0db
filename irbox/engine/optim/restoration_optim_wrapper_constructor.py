"""Which weights an optimiser gets, which of them decay, and how they are moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from irbox.engine.sharding import is_shard
from irbox.registry import OPTIM_WRAPPER_CONSTRUCTORS

FUSED = ('Adam', 'AdamW')
"""Optimisers that torch has as one kernel on a CPU."""


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class RestorationOptimWrapperConstructor(DefaultOptimWrapperConstructor):  # type: ignore[misc]  # mmengine has no types
    """mmengine's constructor, with ``paramwise_cfg`` as there, and three rules more.

    * Frozen weights (a pretrained prior) are left out.
    * Weights that carry ``_no_weight_decay`` (``A_log`` and ``D`` of Mamba, whose decay towards
      zero would change the time scales of the scan) get no weight decay.
    * On a CPU, Adam and AdamW move all weights by one kernel (``fused``), where torch's default
      runs a dozen operators for each; ``fused`` and ``foreach`` in a config are obeyed.
    """

    optimizer_cfg: dict[str, Any]

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimiser and its wrapper for a model."""
        if _can_be_fused(self.optimizer_cfg, model):
            self.optimizer_cfg = {**self.optimizer_cfg, 'fused': True}
        wrapper = super().__call__(model)
        optimizer = wrapper.optimizer
        exempt = []
        for group in optimizer.param_groups:
            trained = [weight for weight in group['params'] if weight.requires_grad]
            flagged = [w for w in trained if getattr(w, '_no_weight_decay', False)]
            if flagged and group.get('weight_decay'):
                apart = {id(weight) for weight in flagged}
                trained = [weight for weight in trained if id(weight) not in apart]
                exempt.append({**group, 'params': flagged, 'weight_decay': 0.0})
            group['params'] = trained
        optimizer.param_groups[:] = [group for group in optimizer.param_groups if group['params']]
        for group in exempt:
            optimizer.add_param_group(group)
        return wrapper


def _can_be_fused(optimizer: Mapping[str, Any], model: nn.Module) -> bool:
    """Tell whether torch has a kernel for it, and the config does not ask for another way."""
    ways = ('fused', 'foreach', 'capturable', 'differentiable')
    if optimizer.get('type') not in FUSED or any(optimizer.get(way) is not None for way in ways):
        return False
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return all(
        weight.device.type == 'cpu' and weight.is_floating_point() and not is_shard(weight)
        for weight in trained
    )
