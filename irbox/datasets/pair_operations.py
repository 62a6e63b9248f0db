"""What is done to a degraded and a clean image alike."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def dihedral(image: np.ndarray, mode: int) -> np.ndarray:
    """One of the eight flips and quarter turns of an image or a map.

    Args:
        image: (H, W) or (H, W, C).
        mode: 0 to 7: ``mode % 4`` quarter turns, after a left-right flip from 4 on; 0 changes
            nothing.
    """
    if mode >= 4:
        image = image[:, ::-1]
    return np.rot90(image, mode % 4)


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) float32 array to (3, H, W) tensor with memory of its own."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
