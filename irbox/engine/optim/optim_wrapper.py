"""Steps of the optimiser that a gradient which is no number does not spoil."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.optim import OptimWrapper as MMEngineOptimWrapper
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from irbox.engine.sharding import whole
from irbox.registry import OPTIM_WRAPPERS


@dataclass(frozen=True)
class Fault:
    """What was not finite when a step was due."""

    gradient: float
    """Norm of the gradient."""
    weights: float
    """Norm of the weights."""
    spoilt: list[Tensor] = field(default_factory=list)
    """The weights whose gradients are not finite."""


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(MMEngineOptimWrapper):  # type: ignore[misc]  # mmengine has no types
    """Leaves out a step whose gradient, or whose weights, are not finite, and says so in ``fault``.

    mmengine's wrapper of this name, which writes whatever came into the weights. The norms of the
    gradient, which clipping needs as well, and of the weights are read together, once a step: with
    clipping by norm a GPU waits as often as without the check. All processes of a run see the same
    gradient and leave out the same steps.

    Its arguments are mmengine's: ``optimizer``; ``accumulative_counts``, the batches that make up a
    step; ``clip_grad``, with ``max_norm`` and other arguments of
    ``torch.nn.utils.clip_grad_norm_``, or ``type: value`` and ``clip_value``.
    """

    fault: Fault | None = None
    """Of the latest step; None where it was taken."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Give the context that a loss is computed in: gradients are exchanged once a step."""
        # The way of weights that are shared out; mmengine knows that of those that are not.
        chooses: Any = getattr(model, 'set_requires_gradient_sync', None)
        if chooses is not None:
            chooses(self.should_sync())
        with super().optim_context(model):
            yield

    def step(self, **kwargs: Any) -> None:
        """Clip the gradient and update the weights, if all are finite."""
        if self.may_step():
            self.optimizer.step(**kwargs)

    def may_step(self) -> bool:
        """Look whether gradient and weights are finite, and clip the gradient."""
        given = [weight for group in self.optimizer.param_groups for weight in group['params']]
        weights = [weight for weight in given if weight.grad is not None]
        clipping = dict(self.clip_grad_kwargs or {})
        by_norm = clipping and self.clip_func is nn.utils.clip_grad_norm_
        limit = clipping.pop('max_norm') if by_norm else math.inf
        how = clipping if by_norm else {}
        gradients = [weight.grad for weight in weights]
        norm = whole(get_total_norm(gradients, **how))
        gradient, own = torch.stack([norm, whole(get_total_norm(weights)).to(norm)]).tolist()
        if not math.isfinite(gradient) or not math.isfinite(own):
            spoilt = [weight for weight in weights if not whole(weight.grad).isfinite().all()]
            self.fault = Fault(gradient, own, spoilt)
            return False
        self.fault = None
        if by_norm:
            clip_grads_with_norm_(weights, limit, norm, how.get('foreach'))
            self.message_hub.update_scalar('train/grad_norm', gradient)
        elif clipping:
            nn.utils.clip_grad_value_(weights, **clipping)
        return True
