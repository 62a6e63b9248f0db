"""M2Restore's task prompt."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.registry import PRIORS
from irbox.utils.bounded import PositiveInt

# Two 3x3 convolutions of stride 3 without padding need this many rows and columns.
SMALLEST = 9


@PRIORS.register_module()
class PromptBank(nn.Module):
    """A mixture of learned prompts chosen by the degraded image (M2Restore, Eq. 1-2).

    Args:
        num_prompts: Prompts in the library (C in Eq. 1).
        prompt_dim: Size of a prompt (M).
        hidden: Width of the convolutions; the paper gives none, 64 is the public code's.

    Note:
        The attention over the prompts has a bias, as in the public code; Eq. 1 prints none.
    """

    def __init__(
        self, num_prompts: PositiveInt = 32, prompt_dim: PositiveInt = 256, hidden: PositiveInt = 64
    ) -> None:
        super().__init__()
        self.prompt_dim = prompt_dim
        self.convs = nn.Sequential(
            nn.Conv2d(3, hidden, 3, stride=3),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, hidden, 3, stride=3),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, hidden, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, hidden, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden, num_prompts, 1),
        )
        self.attention = nn.Linear(num_prompts, num_prompts)
        self.prompts = nn.Parameter(torch.rand(num_prompts, prompt_dim))

    def forward(self, image: Tensor) -> Tensor:
        """Choose the prompt of each image, (B, 3, H, W) in 0 to 1 -> (B, M)."""
        short = [max(SMALLEST - side, 0) for side in image.shape[-2:]]
        if any(short):
            image = F.pad(image, (0, short[1], 0, short[0]), mode='replicate')
        pooled = self.convs(image).mean((2, 3))
        return F.gelu(self.attention(pooled).softmax(-1) @ self.prompts)
