"""From a network to a graph of torch's operators, for images of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from irbox.graphs.given_context import GivenContext, context_inputs
from irbox.graphs.whole_network import GivenPrior, WholeNetwork
from irbox.layers.standard_operators import standard_operators

PRIOR_INPUTS = ('features', 'probabilities', 'content')


def trace(
    network: nn.Module, *, given_prior: bool = False, batch: bool = True, clip: bool = False
) -> ExportedProgram:
    """Trace a network, padding and cropping inside.

    Args:
        network: In evaluation mode, on the CPU.
        given_prior: Leave the prior out: ``features``, ``probabilities`` and ``content`` are inputs
            beside the image.
        batch: Let the number of images be free; else it is one.
        clip: Clip the answer to 0 to 1.

    Returns:
        A program that takes ``image``, (B, 3, H, W), and gives the same shape.

    Raises:
        ValueError: The network decides by values or sizes in a way that no graph can hold.
    """
    whole = WholeNetwork(network, clip)
    with given(network) if given_prior else nullcontext(), standard_operators():
        inputs = example(network, images=2 if batch else 1, given_prior=given_prior)
        return _exported(whole, inputs, batch)


@torch.no_grad()
def trace_given_context(network: Any) -> ExportedProgram:
    """Trace a network that is told what is known of an image.

    Args:
        network: In evaluation mode, on the CPU.

    Returns:
        A program that takes ``image``, (B, 3, H, W), and what ``context_inputs`` gives of its
        context, and gives the shape of the image.

    Raises:
        ValueError: As ``trace``, or the network or its context is of a kind of its own.
    """
    whole = GivenContext(network)
    # Nobody's random numbers but its own.
    with torch.random.fork_rng(devices=[]), standard_operators():
        inputs = example(network, images=2, given_prior=False)
        inputs |= context_inputs(network.describe(inputs['image']))
        return _exported(whole, inputs, batch=True)


def _exported(whole: nn.Module, inputs: dict[str, Tensor], batch: bool) -> ExportedProgram:
    shapes: dict[str, Any] = {
        name: {0: Dim.DYNAMIC} if batch else {0: Dim.STATIC} for name in inputs
    }
    shapes['image'] |= {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    try:
        return torch.export.export(whole, (), inputs, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # whatever a part of a user's may lead torch to
        if isinstance(error, (MemoryError, OSError)):
            raise
        first = str(error).strip().partition('\n')[0]
        raise ValueError(
            f'This network cannot be exported: {type(error).__name__}: {first}. A part of it '
            'decides in Python by the values or the size of an image.'
        ) from error


def example(network: Any, images: int, given_prior: bool) -> dict[str, Tensor]:
    """Make inputs of no special size: neither multiples nor alike, nor small.

    What a part does with a small image, such as widening it, would be in the graph for every size.
    """
    multiple = network.multiple
    height, width = (64 + blocks * multiple + 3 for blocks in (4, 3))
    inputs = {'image': torch.rand(images, 3, height, width)}
    if given_prior:
        prior = network.prior
        inputs['features'] = torch.randn(images, prior.feature_dim)
        inputs['probabilities'] = torch.rand(images, prior.num_degradations).softmax(1)
        inputs['content'] = torch.randn(images, prior.feature_dim)
    return inputs


def smallest_side(program: ExportedProgram) -> int:
    """Give the side of the smallest image that a program takes, in pixels."""
    (placeholder,) = (
        node for node in program.graph.nodes if node.op == 'placeholder' and node.name == 'image'
    )
    sides = placeholder.meta['val'].shape[-2:]
    ranges = program.range_constraints
    return max(int(ranges[side.node.expr].lower) for side in sides)


@contextmanager
def given(network: Any) -> Iterator[None]:
    """Let a network be told what its prior believes.

    Raises:
        ValueError: It has no prior.
    """
    prior = getattr(network, 'prior', None)
    if prior is None:
        raise ValueError('This network has no prior that could be an input.')
    network.prior = GivenPrior(prior)
    try:
        yield
    finally:
        network.prior = prior
