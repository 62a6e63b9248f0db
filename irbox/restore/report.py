"""What a model did with a picture, and what it believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

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
        """Where routings are made, in their order; None until the first tile has run."""
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


class RoutingPlaces:
    """Listens to a network's call and notes where routings are made, in their order."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.places: list[str] = []
        self._last: Routing | None = None

    def __enter__(self) -> list[str]:
        def listen(name: str) -> Any:
            def heard(module: nn.Module, inputs: Any, output: Any) -> None:
                # What wraps a router gives the same routing again.
                if isinstance(output, Routing) and output is not self._last:
                    self._last = output
                    self.places.append(name)

            return heard

        self._handles = [
            module.register_forward_hook(listen(name)) for name, module in self._named()
        ]
        return self.places

    def _named(self) -> list[tuple[str, nn.Module]]:
        """Every module that may route, once, with the name of its place in the words of configs.

        Not those of torch and our layers, which make no routings: a layer that is listened to takes
        its slower way.
        """
        declared: Any = getattr(self.network, 'places', dict)
        found = {module: place for place, part in declared().items() for module in part.modules()}
        return [
            (found.get(one, name), one)
            for name, one in self.network.named_modules()
            if not type(one).__module__.startswith(('torch.', 'irbox.layers.'))
        ]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


def beliefs(names: Sequence[str], probabilities: Tensor) -> dict[str, float]:
    """Name the probabilities (1, D) of one picture."""
    values = torch.as_tensor(probabilities)[0].float().tolist()
    return {name: round(value, 4) for name, value in zip(names, values, strict=True)}
