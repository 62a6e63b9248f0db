"""A textbook build of any network."""

from __future__ import annotations

import copy
from typing import Literal, TypeVar

import torch
from torch import nn

from irbox.testing.reference.mamba import TextbookMamba
from irbox.testing.reference.twins import find_twin

Scan = Literal['loop', 'operator']
Network = TypeVar('Network', bound=nn.Module)


def textbook(network: Network, scan: Scan = 'loop') -> Network:
    """Copy a network, with every layer of ours written as in the papers.

    Parameters keep their names, shapes and values: ``load_state_dict`` works both ways. Maps are
    channels-first everywhere, norms rearrange them and back, queries and keys are normalised before
    they meet, every expert sees every pixel, bands are split by a transform and a mask made in
    loops. Layers of plug-ins that have no twin stay as they are; the parts inside them are swapped.

    Examples:
        >>> from irbox.layers.feed_forward import GatedFeedForward
        >>> ours, x = GatedFeedForward(8), torch.randn(1, 8, 5, 7)
        >>> torch.allclose(ours(x), textbook(ours)(x), atol=1e-6)
        True

    Args:
        network: Any module; it stays as it is.
        scan: How a selective scan runs: ``'loop'``, a step at a time, left to autograd, or
            ``'operator'``, the one that the package has, as people take a package's kernel for
            this. A loop has thousands of steps: beside it everything looks fast.

    Returns:
        The copy, on the same device and in the same mode.
    """
    twin = copy.deepcopy(network)
    for module in twin.modules():
        found = find_twin(type(module))
        if found is not None:
            module.__class__ = found
        if isinstance(module, TextbookMamba):
            module.scan = scan
    return twin.to(memory_format=torch.contiguous_format)
