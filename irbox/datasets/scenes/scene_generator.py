"""Scenes from numbers: the same number, the same scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from irbox.datasets.scenes.color_model import draw_palette
from irbox.datasets.scenes.details import add_details
from irbox.datasets.scenes.layouts.interior import interior
from irbox.datasets.scenes.layouts.landscape import landscape
from irbox.datasets.scenes.layouts.leaves import leaves
from irbox.datasets.scenes.lens import Lens
from irbox.datasets.scenes.light import Light
from irbox.datasets.scenes.render import render
from irbox.datasets.scenes.scene_kit import SceneKit
from irbox.datasets.scenes.surfaces import SurfaceList
from irbox.datasets.scenes.texture_sheets import TextureSheets
from irbox.datasets.scenes.tone import MOODS, Tone
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveInt, Share
from irbox.utils.part_arguments import check_arguments
from irbox.utils.suggest import suggest

Layout = Callable[[SceneKit, int], SurfaceList]
LAYOUTS: Mapping[str, Layout] = {
    'leaves': leaves,
    'landscape': landscape,
    'interior': interior,
}


@dataclass(frozen=True)
class Scene:
    """A clean picture and how far away everything in it is."""

    image: np.ndarray
    """(H, W, 3) uint8, RGB."""
    depth: np.ndarray
    """(H, W) float32, 0 near to 1 far."""


class SceneGenerator:
    """Draws scenes: a layout of shapes with textures, lit, and taken with a camera.

    Each principle can be switched off, to find out what it is worth; everything off is dead leaves
    of discs in flat colours. Scenes are rendered at twice their size and averaged. A scene is a
    pure function of the options and ``(seed, number)``.

    Args:
        size: Height and width of a scene.
        shapes: Outlines of all kinds, instead of discs.
        textures: Textures and gradients, instead of flat colours.
        depth_of_field: Blur what is out of focus.
        light: Shading, cast shadows, one or two sources, night.
        tones: Tone curves; scenes dark, bright, without anything dark or bright.
        details: Share of the scenes with fine lines, text and regular things on top.
        layouts: Layout to how often it is drawn, relative to the others; all of them by default.
        seed: Of everything random.

    Raises:
        ValueError: A layout is unknown, or all weights are 0.
    """

    def __init__(
        self,
        size: PositiveInt = 512,
        shapes: bool = True,
        textures: bool = True,
        depth_of_field: bool = True,
        light: bool = True,
        tones: bool = True,
        details: Share = 0.5,
        layouts: Mapping[str, NonNegativeFloat] | None = None,
        seed: NonNegativeInt = 0,
    ) -> None:
        weights = dict.fromkeys(LAYOUTS, 1.0) if layouts is None else dict(layouts)
        for name in weights:
            if name not in LAYOUTS:
                raise ValueError(
                    f'layouts: no layout is called {name!r}. {suggest(name, list(LAYOUTS))}'
                )
        if not sum(weights.values()):
            raise ValueError('layouts: all weights are 0, so nothing can be drawn.')
        self.names = tuple(weights)
        self.shares = np.array(list(weights.values()), float) / sum(weights.values())
        self.size = size
        self.shapes = shapes
        self.textures = textures
        self.depth_of_field = depth_of_field
        self.light = light
        self.tones = tones
        self.details = details
        self.seed = seed

    def draw(self, number: int) -> Scene:
        """Draw scene number so-and-so."""
        # Each principle has its own stream: switching one off leaves the others as they are.
        what, looks, camera, sheets = np.random.default_rng((self.seed, number)).spawn(4)
        palette = draw_palette(what)
        layout = LAYOUTS[self.names[what.choice(len(self.names), p=self.shares)]]
        night = bool(what.random() < 0.06)
        textures = (
            TextureSheets(sheets, palette, 512 if self.size > 200 else 128)
            if self.textures
            else None
        )
        kit = SceneKit(looks, palette, textures.count if textures else 0, self.shapes, self.light)
        surfaces = layout(kit, 2 * self.size)
        if what.random() < self.details:
            add_details(kit, surfaces)
        view = render(surfaces, textures)
        lit = Light(what, night).shine(view) if self.light else view.albedo
        small = (self.size, self.size)
        lit = cv2.resize(lit, small, interpolation=cv2.INTER_AREA)
        # The nearer of the depths: a mean would lie where nothing is.
        pairs = np.minimum(view.depth[::2], view.depth[1::2])
        depth = np.minimum(pairs[:, ::2], pairs[:, 1::2])
        if self.depth_of_field and camera.random() < 0.7:
            lit = Lens(camera).photograph(lit, depth)
        if self.tones:
            mood = MOODS[camera.choice(len(MOODS), p=[0.66, 0.07, 0.09, 0.09, 0.09])]
            image = Tone(camera, 'dark' if night else mood).develop(lit)
        else:
            image = lit.clip(0, 1) ** np.float32(1 / 2.2)
        image = cv2.GaussianBlur(image, (0, 0), camera.uniform(0.3, 0.7))
        return Scene(np.rint(255 * image.clip(0, 1)).astype(np.uint8), depth)


def make_generator(options: Mapping[str, Any], place: str = 'scenes') -> SceneGenerator:
    """Build a generator from options as a user wrote them.

    Args:
        options: Arguments of ``SceneGenerator``.
        place: Where they stand, for messages.

    Raises:
        ValueError: There is no such option, or its value is not allowed.
    """
    check_arguments('SceneGenerator', SceneGenerator, options, 'generator', place=place)
    return SceneGenerator(**options)
