"""Mixed precision in float16, on GPUs."""

from __future__ import annotations

from typing import Any

from mmengine.optim import AmpOptimWrapper as MMEngineAmpOptimWrapper

from irbox.engine.optim.optim_wrapper import OptimWrapper
from irbox.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(MMEngineAmpOptimWrapper, OptimWrapper):  # type: ignore[misc]  # mmengine has no types
    """Computes losses in float16, scaled so that their gradients do not vanish.

    mmengine's wrapper of this name, which tells nobody of the steps that it leaves out. The first
    few are left out as a rule: the scale begins at 65536 and is halved by each of them.

    Args:
        loss_scale: ``dynamic``, or a number that stays.
        dtype: ``float16``.
        **kwargs: As for ``OptimWrapper``.
    """

    def __init__(
        self, loss_scale: str | float = 'dynamic', dtype: str = 'float16', **kwargs: Any
    ) -> None:
        # mmengine's takes them; it has no types.
        super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)  # type: ignore[call-arg]

    def step(self, **kwargs: Any) -> None:
        """Clip the gradient and update the weights, if all are finite; adapt the scale."""
        self.loss_scaler.unscale_(self.optimizer)
        if self.may_step() or self.fault is None or self.fault.spoilt:
            # It leaves out by itself what is not finite.
            self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update(self._scale_update_param)
