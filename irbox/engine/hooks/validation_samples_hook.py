"""What a validation shows beside its scores: images, and which experts they went to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from torch import Tensor

from irbox.registry import HOOKS
from irbox.structures import Context
from irbox.utils.bounded import PositiveInt


@HOOKS.register_module()
class ValidationSamplesHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Shows the first image of each degradation at every validation, by the run's back-ends.

    Degraded, restored and clean stand beside each other. With them go the shares of the pixels that
    visit each expert: ``experts/1/haze/expert 2`` is of the first part that routes, for that image
    with haze.

    Args:
        side: Images are cut to their middle of at most so many pixels.
    """

    def __init__(self, side: PositiveInt = 256) -> None:
        self.side = side
        self.samples: dict[str, Tensor] = {}
        self.shares: dict[str, float] = {}

    def before_val(self, runner: Any) -> None:
        """Start anew: the images of one validation are shown."""
        self.samples, self.shares = {}, {}

    def after_val_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Mapping[str, Any] | None = None,
        outputs: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Keep the first image of a degradation: degraded, restored and clean."""
        for sample in outputs or ():
            label = sample.get('label')
            if label is None or label in self.samples or 'target' not in sample:
                continue
            images = [self._middle(sample[key]) for key in ('image', 'restored', 'target')]
            self.samples[label] = torch.cat(images, dim=2)
            # Now: averaged weights, if these are, stand in the network for the validation alone.
            network = getattr(getattr(runner.model, 'module', runner.model), 'network', None)
            if hasattr(network, 'describe'):
                self.shares |= {
                    f'experts/{place}/{label}/{expert}': share
                    for (place, expert), share in expert_shares(network, images[0]).items()
                }

    def after_val(self, runner: Any) -> None:
        """Show them."""
        if not is_main_process():
            return
        for label, row in self.samples.items():
            pixels = row.float().clamp(0, 1).cpu().permute(1, 2, 0).numpy()
            shown = np.rint(255 * pixels).astype(np.uint8)
            runner.visualizer.add_image(f'val_{label}', shown, step=runner.iter)
        if self.shares:
            runner.visualizer.add_scalars(self.shares, step=runner.iter)

    def _middle(self, image: Tensor) -> Tensor:
        height, width = (min(side, self.side) for side in image.shape[-2:])
        top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
        return image[..., top : top + height, left : left + width].detach().clone()


@torch.no_grad()
def expert_shares(network: Any, image: Tensor) -> dict[tuple[int, str], float]:
    """Count the share of an image's pixels that visit each expert.

    Args:
        network: With ``describe``, in evaluation mode.
        image: (3, H, W), RGB, 0 to 1.

    Returns:
        Number of the place, in the order in which they run, and ``expert n`` -> share.
    """
    given = image[None].to(next(network.parameters()).device)
    context: Context = network.describe(given)
    network(given, context)
    return {
        (place, f'expert {number}'): share
        for place, routing in enumerate(context.routings, 1)
        for number, share in enumerate((routing.weights[0] > 0).float().mean((1, 2)).tolist(), 1)
    }
