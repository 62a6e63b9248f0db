"""Another program where a network of torch would compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from irbox.graphs.engines import Engine
from irbox.graphs.given_context import context_inputs
from irbox.networks.restoration_network import check_image
from irbox.restore.memory import naming_memory
from irbox.restore.runtimes.kept_graph import KeptGraph
from irbox.structures import Context


class RuntimeNetwork(nn.Module):
    """Computes a network's answers in another program; what is known of a picture is given.

    The network itself stays in torch: it describes pictures, and computes those that are smaller
    than the graph takes.

    Args:
        network: In torch.
        graph: Of it.
        open_in: Opens the graph for a precision, when it is first asked for: an answer in bfloat16
            that looks wrong is computed again in float32.
    """

    def __init__(
        self, network: Any, graph: KeptGraph, open_in: Callable[[torch.dtype], Engine]
    ) -> None:
        super().__init__()
        # Not as modules of this one: it has no weights, and nothing to listen to.
        self._describe, self._compute = network.describe, partial(_call, [network])
        self.multiple = getattr(network, 'multiple', 1)
        self.graph, self._open = graph, open_in
        self._engines: dict[torch.dtype, Engine] = {}

    def describe(self, image: Tensor) -> Context:
        """Compute in torch what is known about images."""
        context: Context = self._describe(image)
        return context

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images, (B, 3, H, W) -> the same, not clipped.

        Args:
            image: RGB, floats in 0 to 1.
            context: What is known of them, or of the picture that they are tiles of.

        Raises:
            MemoryError: It did not suffice.
        """
        check_image(image)
        context = self.describe(image) if context is None else context
        if min(image.shape[-2:]) < self.graph.smallest:
            return self._compute(image, context)
        inputs = {'input': image.contiguous()} | context_inputs(context)
        arrays = {name: value.float().numpy() for name, value in inputs.items()}
        with naming_memory():
            answer = self._engine()(arrays)
        return torch.from_numpy(answer)

    def _engine(self) -> Engine:
        autocast = torch.is_autocast_enabled('cpu')
        dtype = torch.get_autocast_dtype('cpu') if autocast else torch.float32
        if dtype not in self._engines:
            self._engines[dtype] = self._open(dtype)
        return self._engines[dtype]


def _call(held: list[Any], image: Tensor, context: Context) -> Tensor:
    answer: Tensor = held[0](image, context)
    return answer
