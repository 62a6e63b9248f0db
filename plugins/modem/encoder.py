"""What MODEM sees of a degradation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from irbox.layers.padding import pad_to_multiple
from irbox.networks.chain import Chain
from irbox.registry import PRIORS
from irbox.structures import Context, Stage
from irbox.utils.bounded import PositiveInt
from irbox.utils.precision import full_precision

from .block import Group, MODEMBlock
from .init import init_linear


@PRIORS.register_module()
class DegradationEncoder(nn.Module):
    """Sees a vector and a matrix in the degraded image: a prompt for ``MODEMBlock``s.

    Two blocks between convolutions give a map f; ``Z0 = SiLU(W3 SiLU(W2 SiLU(W1 mean(f))))`` and
    ``Z1 = F2 F1^T`` with F1 and F2 convolutions of f, summed over the pixels. A sum, no mean: it
    grows with the image, as in the public code.

    Args:
        dim: Size of the vector and sides of the matrix.
        hidden: Between them and the mean.
        blocks: Number of blocks.
        multiple: What images are padded to, by reflection, as the network does.
    """

    def __init__(
        self,
        dim: PositiveInt = 96,
        hidden: PositiveInt = 384,
        blocks: PositiveInt = 2,
        multiple: PositiveInt = 8,
    ) -> None:
        super().__init__()
        self.prompt_dim, self.multiple = dim + dim**2, multiple
        self.embed = nn.Conv2d(3, dim, 3, padding=1)
        group = Group(Chain(MODEMBlock(Stage(dim, heads=1)) for _ in range(blocks)), dim)
        self.body = group
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.to_vector = nn.Sequential(nn.Linear(hidden, dim), nn.SiLU())
        self.first = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.second = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.apply(init_linear)

    def forward(self, image: Tensor) -> Tensor:
        """See the degradation of (B, 3, H, W) in 0 to 1 -> (B, dim + dim * dim)."""
        image = pad_to_multiple(image, self.multiple)
        features = self.body(self.embed(image), Context(image=image))
        vector = self.to_vector(self.mlp(features.mean((2, 3))))
        first, second = self.first(features), self.second(features)
        with full_precision(features):
            exact = torch.promote_types(first.dtype, torch.float32)
            matrix = second.to(exact).flatten(2) @ first.to(exact).flatten(2).mT
        return torch.cat([vector.to(exact), matrix.flatten(1)], dim=1)
