"""What tiles do to an answer: steps at their edges, and how far the rest of it moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from irbox.datasets.photographs import HELD_OUT, photograph
from irbox.degradations.gaussian_noise import GaussianNoise
from irbox.networks.restore_tiled import Grid, make_grid
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.console import console
from irbox.utils.files import atomic_write

SIGMA = 25
"""Noise of the photographs, in levels of 255."""
FORMATS = {'.png': 'PNG', '.jpg': 'JPEG', '.jpeg': 'JPEG'}
"""Of figures, by the end of their names."""
AMPLIFIED = 8
"""Differences in the figure are so many times what they are."""


class Seams(NamedTuple):
    """How a tiled answer differs from the untiled one; steps are in levels of 255.

    A step is how much more, or less, two neighboring pixels differ than they do untiled.
    """

    psnr: float
    """Of the tiled answer to the untiled, in dB."""
    step: float
    """The largest step across an edge of a tile."""
    mean_step: float
    """The largest mean of the steps along one whole edge: a line that is seen."""
    elsewhere: float
    """The largest step that is not across an edge: what tiles move inside."""


def measure(tiled: np.ndarray, whole: np.ndarray, grid: Grid) -> Seams:
    """Compare two answers of the same picture.

    Args:
        tiled: (H, W, 3), floats in 0 to 1.
        whole: The same picture without tiles.
        grid: That the first was cut by.
    """
    difference = (tiled.astype(np.float64) - whole) * 255
    error = (difference**2).mean()
    psnr = float('inf') if error == 0 else 10 * np.log10(255**2 / error)
    across, means, inside = [0.0], [0.0], [0.0]
    for axis, spans in enumerate((grid.rows, grid.columns)):
        steps = np.diff(np.moveaxis(difference, axis, 0), axis=0)
        edges = {span.start for span in spans[1:]} | {span.stop for span in spans[:-1]}
        # Step number n leads from pixel n to pixel n + 1.
        at = np.isin(np.arange(len(steps)), [edge - 1 for edge in edges])
        across.extend(np.abs(steps[at]).max((1, 2)))
        means.extend(np.abs(steps[at].mean(1)).max(1))
        inside.extend(np.abs(steps[~at]).max((1, 2)))
    return Seams(psnr, max(across), max(means), max(inside))


def pictures(side: int) -> dict[str, np.ndarray]:
    """Give a smooth gradient, and the middles of photographs with noise: (side, side, 3) floats.

    Raises:
        ValueError: A photograph is smaller.
    """
    most, name = min((min(photograph(one).image.size), one) for one in HELD_OUT)
    if side > most:
        raise ValueError(f'--side {side} is more than {name} has: give at most {most}.')
    ramp = np.linspace(0.2, 0.8, side, dtype=np.float32)
    found = {'gradient': np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None]] * 2, 2)}
    found['gradient'] = found['gradient'][..., :3]
    for name in HELD_OUT:
        image = photograph(name).image
        left, top = (image.width - side) // 2, (image.height - side) // 2
        clean = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
        found[name] = GaussianNoise(SIGMA)(clean, np.random.default_rng(0))
    return found


def figure(columns: Sequence[np.ndarray], whole: np.ndarray) -> Image.Image:
    """Draw answers side by side, and below each how it differs from the untiled, amplified."""
    gap = np.ones((len(whole), 4, 3))
    rows = [
        [part for one in parts for part in (one, gap)][:-1]
        for parts in (columns, [0.5 + AMPLIFIED * (one - whole) for one in columns])
    ]
    sheet = np.concatenate([np.concatenate(row, 1) for row in rows])
    return Image.fromarray((sheet.clip(0, 1) * 255).round().astype(np.uint8))


def run(
    model: RestorationModel, side: int, tile: int, overlaps: Sequence[int], path: Path | None
) -> None:
    """Print the table and draw the figure, of the last picture.

    Raises:
        ValueError: A photograph is smaller than the side, or the figure is no .png and no .jpg.
    """
    if path is not None and path.suffix.lower() not in FORMATS:
        raise ValueError(f'--figure {path}: the name must end in {", ".join(FORMATS)}.')
    drawn = pictures(side)
    out = console()
    out.print(f'{model.name}, {side}x{side}, tiles of at most {tile}x{tile}')
    out.print('| picture | overlap | PSNR to untiled | step | mean step | step elsewhere |')
    out.print('|---|---|---|---|---|---|')
    for name, picture in drawn.items():
        whole = model.restore(picture, tile='none')
        columns = [whole]
        for overlap in overlaps:
            tiled = model.restore(picture, tile=tile, overlap=overlap)
            grid = make_grid((side, side), (tile, tile), overlap, model.multiple)
            found = measure(tiled, whole, grid)
            steps = ' | '.join(f'{value:.1f} / 255' for value in found[1:])
            out.print(f'| {name} | {overlap} | {found.psnr:.1f} dB | {steps} |')
            columns.append(tiled)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            figure(columns, whole).save(file, FORMATS[path.suffix.lower()], quality=85)
        out.print(f'{path}: untiled, then the overlaps; below what differs, {AMPLIFIED} times.')
