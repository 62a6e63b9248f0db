"""What a model did with a picture, and what it believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from irbox.structures import Routing


@dataclass
class Report:
    """What a model did with a picture, and what it believed."""

    size: tuple[int, int]
    """Height and width of the picture."""
    megapixels: float
    device: str
    precision: str
    """What was computed in, and why."""
    degradations: dict[str, float] = field(default_factory=dict)
    """What the prior believes, by name; empty where the model has no prior."""
    steered: dict[str, float] = field(default_factory=dict)
    """What it was told to believe instead, if it was."""
    experts: dict[str, list[float]] = field(default_factory=dict)
    """By place in the network: the share of pixels that each expert sees. Each pixel visits several
    experts, so that the shares sum to their number."""
    tile: tuple[int, int] = (0, 0)
    """Height and width of the tiles; the picture's where it was not cut."""
    overlap: int = 0
    tiles: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    """What was chosen, repeated or doubtful, a sentence each."""

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain values, for a JSON file."""
        return asdict(self)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


class ExpertUsage:
    """Counts which experts the pixels of all tiles visit."""

    def __init__(self) -> None:
        self.places: list[str] | None = None
        """Where routings are made, in their order; None until a tile was listened to."""
        self._visits: dict[int, Tensor] = {}
        self._pixels: dict[int, int] = {}

    def add(self, routings: Sequence[Routing]) -> None:
        """Count the routings of a tile, in the order in which the places ran."""
        for number, routing in enumerate(routings):
            visits = (routing.weights > 0).sum((0, 2, 3)).cpu()
            self._visits[number] = self._visits.get(number, 0) + visits
            batch, _, height, width = routing.weights.shape
            self._pixels[number] = self._pixels.get(number, 0) + batch * height * width

    def shares(self) -> dict[str, list[float]]:
        """Give place -> share of its pixels that each expert sees."""
        found: dict[str, list[float]] = {}
        for number, visits in self._visits.items():
            places = self.places or []
            name = places[number] if number < len(places) else f'place {number + 1}'
            # Several blocks of one place route one after the other.
            again = places[:number].count(name)
            pixels = self._pixels[number]
            found[f'{name}, {again + 1}' if again else name] = [
                round(count / pixels, 4) for count in visits.tolist()
            ]
        return found


def beliefs(names: Sequence[str], probabilities: Tensor) -> dict[str, float]:
    """Name the probabilities (1, D) of one picture."""
    values = torch.as_tensor(probabilities)[0].float().tolist()
    return {name: round(value, 4) for name, value in zip(names, values, strict=True)}
