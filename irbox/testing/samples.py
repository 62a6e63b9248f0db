"""What parts are tried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from irbox.structures import Context, DegradationPrior, Stage

Inputs = dict[str, Tensor]
"""Tensors by name, the batch first in each."""

STAGE = Stage(dim=16, heads=4, prior_dim=12, num_degradations=3, prompt_dim=8)
"""Where blocks and routers are built unless a test says otherwise."""

MAPS = ((2, 8, 8), (2, 5, 7), (2, 1, 1))
"""Batch, height and width of the maps that experts, blocks and routers see."""

IMAGES = ((2, 32, 40), (2, 21, 30), (2, 1, 1))
"""Batch, height and width of the images that a prior sees."""


def places(
    part: Callable[..., nn.Module], stage: Stage, options: dict[str, Any], **injected: Any
) -> list[Stage]:
    """Give the stage, and the same without prior and prompt if the part allows it."""
    bare = Stage(dim=stage.dim, heads=stage.heads)
    try:
        part(stage=bare, **injected, **options)
    except ValueError:
        return [stage]
    return [stage, bare]


def sample_inputs(stage: Stage, batch: int, height: int, width: int) -> Inputs:
    """Draw a map, an image, and what a network with prior and prompt would know about it."""
    inputs = {
        'x': torch.randn(batch, stage.dim, height, width),
        'image': torch.rand(batch, 3, 2 * height, 2 * width),
    }
    if stage.prior_dim:
        inputs['features'] = torch.randn(batch, stage.prior_dim)
        inputs['probabilities'] = torch.randn(batch, stage.num_degradations).softmax(1)
        inputs['content'] = torch.randn(batch, stage.prior_dim)
    if stage.prompt_dim:
        inputs['prompt'] = torch.randn(batch, stage.prompt_dim)
    return inputs


def sample_context(given: Inputs) -> Context:
    """Make the context that holds ``sample_inputs``."""
    prior = None
    if 'features' in given:
        prior = DegradationPrior(given['features'], given['probabilities'], given['content'])
    return Context(image=given['image'], prior=prior, prompt=given.get('prompt'))
