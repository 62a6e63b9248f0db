"""A training step as CUDA graphs, for the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from irbox.utils.cuda_graph import casts_not_kept, record


class CapturedTraining:
    """Both passes of a step and their loss as one graph, the optimiser's step as another.

    Apart, so that gradients can be looked at without a step; together they are two launches of the
    host. Weights and the optimiser's state are what they were, and zero, when it is built.

    Args:
        network: In training mode, on a CUDA device.
        optimizer: Of its weights, without a state yet; ``capturable``.
        image: (B, 3, H, W).
        target: Same shape.
        casting: Gives the context of the precision.

    Raises:
        RuntimeError: A step cannot be captured.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        image: Tensor,
        target: Tensor,
        casting: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        trained = [weight for weight in network.parameters() if weight.requires_grad]

        def passes() -> None:
            # What a backward pass finds it adds to; what it makes stays where it is.
            optimizer.zero_grad(set_to_none=True)
            with casts_not_kept(), casting():
                restored = network(image)
            (restored.float() - target).abs().mean().backward()

        self._passes = record(passes, image.device)
        with torch.no_grad():
            kept = [weight.clone() for weight in trained]
            self._passes.replay()
            self._step = record(optimizer.step, image.device)
            torch._foreach_copy_(list[Tensor](trained), kept)
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def backward(self) -> None:
        """Compute the gradients of a step, in ``weight.grad`` of each weight."""
        self._passes.replay()

    def step(self) -> None:
        """Let the optimiser take a step."""
        self._step.replay()
