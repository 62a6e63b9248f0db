"""A model in the file of an exported network."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import torch

from irbox.restore.devices import Precision
from irbox.restore.exported_network import ExportedNetwork
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.restoration_model import RestorationModel
from irbox.structures import Context


class ExportedModel(RestorationModel):
    """A model that ONNX Runtime computes, from a file that ``irbox export`` wrote.

    It restores pictures as the model does that the file was made of, in tiles and all, but that its
    prior sees a tile at a time and cannot be told anything.

    Args:
        path: The file.
        device: ``'auto'`` or ``'cpu'``.
        precision: ``'auto'`` or ``'fp32'``.

    Raises:
        ValueError: See ``ExportedNetwork``, or another device or precision was asked for.
    """

    def __init__(
        self,
        path: str | Path,
        device: str | torch.device = 'auto',
        precision: Precision = 'auto',
    ) -> None:
        if str(device) not in ('auto', 'cpu') or precision not in ('auto', 'fp32'):
            raise ValueError(
                f'{path} is computed by ONNX Runtime on the CPU in float32, got '
                f'device={str(device)!r} and precision={precision!r}. Leave both out.'
            )
        network = ExportedNetwork(path)
        self.facts = network.facts
        # Names are what a prior can be told by.
        card = replace(network.facts.card, degradations=[])
        super().__init__(network, network.facts.config, card, str(path), 'cpu', 'fp32')
        self.precision = f'float32: ONNX Runtime, weights kept in {network.facts.dtype}'

    @property
    def parameters(self) -> int:
        """Count the weights, as the file says."""
        return self.facts.parameters

    @cached_property
    def digest(self) -> str:
        """Give the SHA-256 of the file."""
        network = self.network
        assert isinstance(network, ExportedNetwork)
        return network.digest()

    def memory_need(self, context: Context) -> MemoryNeed:
        """Give what a tile needs, as the file says."""
        return self.facts.need

    def save(self, folder: str | Path, dtype: torch.dtype | None = None) -> NoReturn:
        """Refuse: an exported network has no weights by name."""
        raise ValueError(
            f'{self.place} is an exported network: save the model that it was made of.'
        )
