"""Priors kept on disk, for images that are looked at again and again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irbox.structures import DegradationPrior
from irbox.utils.weights import read_weights, write_safetensors

FIELDS = tuple(field.name for field in fields(DegradationPrior))


class PriorCache:
    """A folder with one small file per image.

    The name of a file is the sha256 of the image's shape and values and of everything else that
    decides the answer, so an entry is never wrong, only unused. Entries are written whole or not at
    all; unreadable ones are made anew.

    Args:
        folder: Where the files are; made when the first is written.
        identity: What else decides the answer: weights, preparation, words, precision.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self.identity = json.dumps(identity, sort_keys=True).encode()

    def look_up(
        self, image: Tensor, describe: Callable[[Tensor], DegradationPrior]
    ) -> DegradationPrior:
        """Give the priors of images (B, 3, H, W): from the folder, or else from ``describe``."""
        keys = [self.key(single) for single in image]
        entries = {key: entry for key in keys if (entry := self.load(key)) is not None}
        new = [index for index, key in enumerate(keys) if key not in entries]
        if new:
            answer = describe(image[new])
            for row, index in enumerate(new):
                entries[keys[index]] = {name: getattr(answer, name)[row] for name in FIELDS}
                self.save(keys[index], entries[keys[index]])
        return DegradationPrior(
            **{
                name: torch.stack([entries[key][name].to(image.device) for key in keys])
                for name in FIELDS
            }
        )

    def key(self, image: Tensor) -> str:
        """Name the entry for an image (3, H, W)."""
        pixels: np.ndarray = image.detach().float().cpu().contiguous().numpy()
        digest = hashlib.sha256(self.identity)
        digest.update(str(pixels.shape).encode())
        digest.update(pixels.data)
        return digest.hexdigest()

    def load(self, key: str) -> dict[str, Tensor] | None:
        """Load what was saved under a key, or None."""
        try:
            tensors: dict[str, Tensor] = read_weights(self.folder / f'{key}.safetensors')
        except (OSError, ValueError):
            return None
        return tensors

    def save(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors under a key.

        Raises:
            ValueError: The folder cannot be written.
        """
        # Cloned: an answer may hold one tensor under two names, which the format refuses.
        content = {name: tensor.cpu().clone() for name, tensor in tensors.items()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_safetensors(content, self.folder / f'{key}.safetensors')
        except OSError as error:
            raise ValueError(
                f'DACLIPPrior: the cache folder {self.folder} cannot be written ({error}). '
                'Set cache to a folder that can, or to None.'
            ) from error
