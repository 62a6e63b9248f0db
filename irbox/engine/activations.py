"""What a network keeps of its forward pass for the gradients, counted without memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from irbox.engine.sharding import recompute_blocks
from irbox.layers.mixture_of_experts import MixtureOfExperts


def kept_bytes(model: Mapping[str, Any], batch: int, side: int, recompute: bool = False) -> int:
    """Count the bytes that a training step keeps between its forward and its backward pass.

    The model is built and run on torch's meta device. There every expert sees every pixel; of what
    a mixture of experts keeps only one expert's share is counted, so that the answer is rather too
    small than too large. Gradients and what single layers need in passing are not in it.

    Args:
        model: The config's section.
        batch: Number of images.
        side: Their height and width.
        recompute: With ``recompute_blocks``.

    Returns:
        Bytes in float32, of which autocast to half precision keeps half at least.
    """
    with torch.device('meta'):
        built: Any = MODELS.build(copy.deepcopy(model)).train()
        image = torch.empty(batch, 3, side, side)
    if recompute:
        recompute_blocks(built)
    counted = _Kept(built)
    with saved_tensors_hooks(counted.add, lambda kept: kept), torch.enable_grad():
        answer = built(image, mode='tensor')
    del answer  # not before: tensors of one address could be counted as one
    return round(counted.bytes)


class _Kept:
    """Adds up what autograd keeps, each memory once, weights not at all."""

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0.0
        self._share = 1.0
        self._known = {one.untyped_storage()._cdata for one in model.parameters()}
        self._alive: list[Any] = []
        for module in model.modules():
            if isinstance(module, MixtureOfExperts) and module.pointwise:
                share = 1 / max(len(module.experts), 1)
                module.register_forward_pre_hook(partial(self._set, share))
                module.register_forward_hook(partial(self._set, 1.0))

    def add(self, kept: Tensor) -> Tensor:
        storage = kept.untyped_storage()
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self._alive.append(storage)
            self.bytes += storage.nbytes() * self._share
        return kept

    def _set(self, share: float, *_: object) -> None:
        self._share = share
