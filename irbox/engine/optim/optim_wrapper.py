"""Steps of the optimiser that neither a gradient which is no number spoils, nor a spike."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper as MMEngineOptimWrapper
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from irbox.engine.optim.spike_guard import SpikeGuard
from irbox.engine.sharding import whole
from irbox.native.total_norm import total_norm
from irbox.registry import OPTIM_WRAPPERS
from irbox.utils.bounded import PositiveInt


@dataclass(frozen=True)
class Fault:
    """What was not finite, or out of all proportion, when a step was due."""

    gradient: float
    """Norm of the gradient."""
    weights: float
    """Norm of the weights."""
    spoilt: list[Tensor] = field(default_factory=list)
    """The weights whose gradients are not finite."""
    spike: str = ''
    """What was out of proportion, where all is finite."""


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(MMEngineOptimWrapper):  # type: ignore[misc]  # mmengine has no types
    """Leaves out a step that would spoil the weights, and says so in ``fault``.

    That is one whose gradient, or whose weights, are not finite, or whose gradient or loss is out
    of proportion to those of the latest steps, see ``SpikeGuard``.

    mmengine's wrapper of this name, which writes whatever came into the weights. The norms of the
    gradient, which clipping needs as well, and of the weights, and the loss are read together, once
    a step: with clipping by norm a GPU waits as often as without the check. All processes of a run
    see the same numbers and leave out the same steps.

    Args:
        optimizer: Or its config.
        accumulative_counts: Batches that make up a step.
        clip_grad: ``max_norm`` and other arguments of ``torch.nn.utils.clip_grad_norm_``, or
            ``type: value`` and ``clip_value``.
        spikes: Arguments of ``SpikeGuard``; None takes every finite step.
    """

    fault: Fault | None = None
    """Of the latest step; None where it was taken."""

    def __init__(
        self,
        optimizer: Optimizer,
        accumulative_counts: PositiveInt = 1,
        clip_grad: Mapping[str, Any] | None = None,
        spikes: Mapping[str, Any] | None = MappingProxyType({}),
    ) -> None:
        # It takes what clipping is told out of the mapping.
        super().__init__(optimizer, accumulative_counts, clip_grad and dict(clip_grad))
        self.guard = None if spikes is None else SpikeGuard(**spikes)
        self._losses: list[Tensor] = []
        self.began = 0.0
        """When the latest backward pass began, by ``time.perf_counter``."""

    def update_params(self, loss: Tensor, **kwargs: Any) -> None:
        """Add the gradient of a batch's loss, and take the step when it is due."""
        self._begin(loss)
        super().update_params(loss, **kwargs)

    def take_gradient(self, loss: Tensor) -> None:
        """Take the step when it is due, by gradients that the weights have already.

        Args:
            loss: Of the batch that its gradient, of ``scale_loss``, was added from.
        """
        self._begin(loss)
        self._inner_count += 1
        if self.should_update():
            self.step()
            self.zero_grad()

    def _begin(self, loss: Tensor) -> None:
        self.began = time.perf_counter()
        self._losses.append(loss.detach().float())

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Give the context that a loss is computed in: gradients are exchanged once a step."""
        # The way of weights that are shared out; mmengine knows that of those that are not.
        chooses: Any = getattr(model, 'set_requires_gradient_sync', None)
        if chooses is not None:
            chooses(self.should_sync())
        with super().optim_context(model):
            yield

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state, each number of it in memory where its weight has its own.

        torch's fused kernels go through memory without a look at the strides: what was saved of a
        weight in one piece does not lie as the same weight does in ``channels_last``.
        """
        super().load_state_dict(state_dict)
        for weight, kept in self.optimizer.state.items():
            for name, value in kept.items():
                alike = isinstance(value, Tensor) and value.shape == weight.shape
                if alike and value.stride() != weight.stride():
                    kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)

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
        norm = _norm(gradients, **how)
        read = [norm, _norm(weights).to(norm), self._loss().to(norm)]
        gradient, own, loss = torch.stack(read).tolist()
        if not math.isfinite(gradient) or not math.isfinite(own):
            spoilt = [weight for weight in weights if not whole(weight.grad).isfinite().all()]
            self.fault = Fault(gradient, own, spoilt)
            return False
        spike = self.guard.judge(gradient, loss) if self.guard is not None else ''
        self.fault = Fault(gradient, own, spike=spike) if spike else None
        if spike:
            return False
        if by_norm:
            clip_grads_with_norm_(weights, limit, norm, how.get('foreach'))
            self.message_hub.update_scalar('train/grad_norm', gradient)
        elif clipping:
            nn.utils.clip_grad_value_(weights, **clipping)
        return True

    def _loss(self) -> Tensor:
        """Give the mean loss of the step's batches, the same in all processes."""
        if not self._losses:
            return torch.zeros(())  # of a step that somebody takes by hand
        mean = torch.stack(self._losses).mean()
        self._losses.clear()
        if get_world_size() > 1:
            # Or one process would leave out what the others take.
            all_reduce(mean, 'mean')
        return mean


def _norm(tensors: list[Any], **how: Any) -> Tensor:
    """Compute the norm of all together, the same in all processes."""
    plain = total_norm(tensors) if not how else None
    return whole(get_total_norm(tensors, **how)) if plain is None else plain
