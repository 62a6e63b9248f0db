"""A network as CUDA graphs: what small images wait for is the host that launches kernels."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from irbox.layers.fused.switch import SWITCH as FUSED
from irbox.layers.plain import is_watched
from irbox.restore.memory import is_out_of_memory
from irbox.structures import Context, DegradationPrior, Routing
from irbox.utils.few_graphs import FewGraphs

SWITCH = 'IRBOX_CAPTURE'
"""Environment variable: ``0`` launches every kernel anew."""
MOST_PIXELS = 2**20
"""Of a batch. Larger ones keep a device busy for longer than the host needs."""


@dataclass
class Captured:
    """A graph, what it reads and what it writes."""

    graph: Any
    image: Tensor
    context: Context | None
    answer: Tensor
    routings: list[Routing]

    def __call__(self, image: Tensor, context: Context | None) -> Tensor:
        """Run it on another image of the same size; the answer is overwritten by the next call."""
        self.image.copy_(image)
        if context is not None:
            assert self.context is not None
            for kept, given in zip(_known(self.context), _known(context), strict=True):
                if kept is not None and given is not None:
                    kept.copy_(given)
            context.routings.extend(self.routings)
        self.graph.replay()
        return self.answer


class CapturedNetwork(nn.Module):
    """Calls a network, on a CUDA device from the second image of a size on as one graph.

    The same kernels on the same memory, so that answers are the same; the host launches them all
    at once. Weights that are changed in place count. Not where somebody watches a module, where
    gradients or records are wanted, for more pixels than ``MOST_PIXELS``, nor where a network waits
    for the device: then, and where memory does not suffice, it is called as ever.

    Args:
        network: In evaluation mode.
        after: Calls with images of a size before it is captured, 1 at least: what is compiled at
            first use must not be captured.
    """

    def __init__(self, network: nn.Module, after: int = 1) -> None:
        super().__init__()
        self.network = network
        self.after = max(1, after)
        self._graphs = FewGraphs[Captured]()
        self._calls: Counter[Any] = Counter()
        self._trouble = False

    def __getattr__(self, name: str) -> Any:
        """Give what the network has besides: its traits, places and so on."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__('network'), name)

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images, as the network does; an answer holds until the next call of its size.

        Args:
            image: (B, 3, H, W).
            context: What is known of them; the network's own view of them by default.
        """
        if self._trouble or not self._can_capture(image, context):
            return self._call(image, context)
        key = self._key(image, context)
        found = self._graphs.take(key)
        if found is None:
            self._calls[key] += 1
            if self._calls[key] > self.after and self._graphs.makes_room(key):
                found = self._try(image, context)
            if found is None:
                return self._call(image, context)
            self._graphs.keep(key, found)
        return found(image, context)

    def _call(self, image: Tensor, context: Context | None) -> Tensor:
        answer: Tensor = self.network(image) if context is None else self.network(image, context)
        return answer

    def _can_capture(self, image: Tensor, context: Context | None) -> bool:
        if image.device.type != 'cuda' or os.environ.get(SWITCH, '1') == '0':
            return False
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        if image.shape[0] * image.shape[2] * image.shape[3] > MOST_PIXELS:
            return False
        if context is not None and (context.records, context.gates, context.labels) != (None,) * 3:
            return False
        return not is_watched([self.network])

    def _key(self, image: Tensor, context: Context | None) -> Any:
        weight = next(self.network.parameters(), image)
        known = None if context is None else [_kind(one) for one in _known(context)]
        half = torch.get_autocast_dtype('cuda') if torch.is_autocast_enabled('cuda') else None
        switched = os.environ.get(FUSED)
        kept = weight.data_ptr(), weight.dtype, torch.is_inference_mode_enabled()
        return _kind(image), str(known), half, kept, switched

    def _try(self, image: Tensor, context: Context | None) -> Captured | None:
        try:
            return self._capture(image, context)
        except RuntimeError as error:
            if is_out_of_memory(error):
                self._graphs.clear()
            self._trouble = True
            print_log(
                'Images are restored kernel by kernel, because they could not be captured as a '
                f'CUDA graph: {str(error).splitlines()[0]}.',
                logger='current',
            )
        torch.cuda.synchronize(image.device)
        return None

    def _capture(self, image: Tensor, context: Context | None) -> Captured:
        half = torch.get_autocast_dtype('cuda')
        casting = torch.autocast(
            'cuda', half, enabled=torch.is_autocast_enabled('cuda'), cache_enabled=False
        )
        image = image.clone()
        own = None if context is None else _copied(context, image)
        graph: Any = torch.cuda.CUDAGraph()
        # What autocast keeps for later calls would be freed under the graph.
        with torch.cuda.device(image.device), casting:
            stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                self._call(image, None if own is None else replace(own, routings=[]))
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph):
                answer = self._call(image, own)
        return Captured(graph, image, own, answer, [] if own is None else list(own.routings))


def _known(context: Context) -> list[Tensor | None]:
    """List the tensors of a context."""
    prior = context.prior
    believed = [None] * 3 if prior is None else [prior.features, prior.probabilities, prior.content]
    return [context.image, *believed, context.prompt]


def _copied(context: Context, image: Tensor) -> Context:
    prior = context.prior
    return replace(
        context,
        image=image if context.image.shape == image.shape else context.image.clone(),
        prior=None
        if prior is None
        else DegradationPrior(
            prior.features.clone(), prior.probabilities.clone(), prior.content.clone()
        ),
        prompt=None if context.prompt is None else context.prompt.clone(),
        routings=[],
    )


def _kind(x: Tensor | None) -> Any:
    return None if x is None else (tuple(x.shape), x.dtype, x.device)
