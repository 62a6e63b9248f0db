"""Which weights an optimiser gets, and which of them decay."""

from __future__ import annotations

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from irbox.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class RestorationOptimWrapperConstructor(DefaultOptimWrapperConstructor):  # type: ignore[misc]  # mmengine has no types
    """mmengine's constructor, with ``paramwise_cfg`` as there, and two rules more.

    * Frozen weights (a pretrained prior) are left out.
    * Weights that carry ``_no_weight_decay`` (``A_log`` and ``D`` of Mamba, whose decay towards
      zero would change the time scales of the scan) get no weight decay.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimiser and its wrapper for a model."""
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
