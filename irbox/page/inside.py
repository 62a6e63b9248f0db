"""Which expert works where, and what the gates let through, drawn over a picture."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from irbox.analysis.record import run
from irbox.page.turns import Turns
from irbox.page.views import view
from irbox.pictures import read_picture
from irbox.restore.restoration_model import RestorationModel
from irbox.structures import Gate, Routing

SIDE = 384
"""Longest side, in pixels, of the picture that is looked at: larger ones are shrunk."""
STRONGEST = 'the strongest of each pixel'
COLORS = np.array(
    # Told apart by people of every color vision (Okabe and Ito).
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)]
    + [(204, 121, 167), (128, 128, 128)],
    np.float32,
)


@dataclass(frozen=True)
class Inside:
    """What the parts of a network did with a picture."""

    picture: Image.Image
    """That was looked at, RGB."""
    experts: Mapping[str, np.ndarray]
    """Place -> (N, h, w), the weight of each expert, 0 to 1."""
    gates: Mapping[str, np.ndarray]
    """Place -> (1, h, w), how far the gate is open, 0 to 1, mean over channels."""

    @property
    def places(self) -> list[str]:
        """List the places with experts, then those with a gate."""
        return [*self.experts, *(f'gate: {one}' for one in self.gates)]

    def choices(self, place: str) -> list[str]:
        """List what can be shown of a place."""
        if place not in self.experts:
            return []
        return [STRONGEST, *(f'expert {n}' for n in range(1, len(self.experts[place]) + 1))]

    def draw(self, place: str, choice: str | None = None) -> Image.Image:
        """Draw a place over the picture.

        Args:
            place: One of ``places``; the first where it is none.
            choice: One of its ``choices``; the first where it is none.
        """
        place = place if place in self.places else self.places[0]
        if place not in self.experts:
            return self._bright(self.gates[place.removeprefix('gate: ')][0])
        weights, choices = self.experts[place], self.choices(place)
        number = choices.index(choice) if choice in choices else 0
        if number:
            return self._bright(weights[number - 1])
        colored = COLORS[weights.argmax(0) % len(COLORS)].astype(np.uint8)
        over = Image.fromarray(colored).resize(self.picture.size, Image.Resampling.NEAREST)
        return Image.blend(self.picture.convert('L').convert('RGB'), over, 0.55)

    def _bright(self, values: np.ndarray) -> Image.Image:
        """The picture where the values are 1, black where they are 0."""
        light = Image.fromarray((values.clip(0, 1) * 255).round().astype(np.uint8))
        mask = light.resize(self.picture.size, Image.Resampling.NEAREST)
        return Image.composite(self.picture, Image.new('RGB', self.picture.size), mask)


def look_inside(
    model: RestorationModel, source: Path, turns: Turns, stop: threading.Event
) -> Inside:
    """Run a network on a picture of at most ``SIDE`` pixels a side and keep what its parts record.

    Args:
        model: With the network.
        source: The picture.
        turns: Who comes before.
        stop: Once set, waiting ends.

    Raises:
        ValueError: The network has neither experts nor gates, or the picture cannot be read.
        Cancelled: ``stop`` was set.
    """
    picture = read_picture(source)
    small = view(picture, picture.pixels[..., :3], SIDE).convert('RGB')
    image = torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)[None]
    with turns.turn(str(model.device), stop=stop):
        found = run(model.network, image.to(model.device)) if _describes(model) else None
    experts: dict[str, np.ndarray] = {}
    gates: dict[str, np.ndarray] = {}
    for one in found.records if found is not None else ():
        if isinstance(one.what, Routing):
            experts[_new(one.place, experts)] = _crop(one.what.weights[0], small)
        elif isinstance(one.what, Gate):
            open_ = one.what.values[0].mean(0, keepdim=True)
            gates[_new(f'{one.place}, {one.what.weighs}', gates)] = _crop(open_, small)
    if not experts and not gates:
        raise ValueError(f'{model.name} has neither experts nor gates.')
    return Inside(small, experts, gates)


def _describes(model: RestorationModel) -> bool:
    """Not an exported network, whose parts are in a file of another program."""
    return any(True for _ in model.network.parameters())


def _new(place: str, taken: Mapping[str, np.ndarray]) -> str:
    while place in taken:
        place += "'"
    return place


def _crop(values: torch.Tensor, small: Image.Image) -> np.ndarray:
    """Leave out what lies over the padding at the bottom and the right."""
    width, height = small.size
    values = values.float().cpu()
    # A map of half the size, and so on: each step halves the padded sides.
    step = 1
    while values.shape[-1] * step < width or values.shape[-2] * step < height:
        step *= 2
    return values[..., : -(-height // step), : -(-width // step)].numpy()
