"""One picture through a model: context, tiles, masks, and the values that stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from irbox.networks.restore_tiled import Box, Grid, blended_bands
from irbox.restore.arrays import Pixels
from irbox.restore.choose_tile import choose_tiles
from irbox.restore.guard import find_fault
from irbox.restore.masks import read_mask
from irbox.restore.options import Options
from irbox.restore.report import Report, beliefs
from irbox.restore.steering import Steering
from irbox.restore.tile_runner import TileRunner
from irbox.restore.whole_image import describe_picture, shrunk
from irbox.structures import Context

if TYPE_CHECKING:
    from irbox.restore.restoration_model import RestorationModel


@dataclass
class Picture:
    """What the tiles of a picture share."""

    pixels: Pixels
    runner: TileRunner
    context: Context
    steered: Context | None
    mask: np.ndarray | None
    steer_mask: np.ndarray | None

    def restore(self, box: Box) -> Tensor:
        """Give the answer for a tile; nothing is computed where nothing will be changed."""
        tile = self.pixels.colors(slice(*box.rows), slice(*box.columns)).clamp(0, 1)
        changed = [part for part in (self.mask, self.pixels.alpha) if part is not None]
        if any(not box.of(part).any() for part in changed):
            return tile
        if self.steered is None:
            return self._run(tile, self.context)
        where = None if self.steer_mask is None else box.of(self.steer_mask)
        if where is None or where.all() and (where == 255).all():
            return self._run(tile, self.steered)
        if not where.any():
            return self._run(tile, self.context)
        share = torch.from_numpy(where.astype(np.float32) / 255)
        told, own = self._run(tile, self.steered), self._run(tile, self.context)
        return torch.lerp(own, told, share)

    def finish(self, out: np.ndarray, top: int, answer: Tensor) -> None:
        """Write finished rows (3, h, W) where they belong; what is to stay stays to the bit."""
        rows = slice(top, top + answer.shape[1])
        values = self.pixels.values[rows]
        kept = np.zeros(values.shape[:2], dtype=bool)
        if self.pixels.alpha is not None:
            kept |= self.pixels.alpha[rows] == 0
        if values.dtype.kind == 'f':
            depth = 1 if values.shape[2] <= 2 else 3
            kept |= ((values[..., :depth] < 0) | (values[..., :depth] > 1)).any(2)
        if self.mask is not None:
            part = self.mask[rows]
            kept |= part == 0
            share = torch.from_numpy(part.astype(np.float32) / 255)
            answer = torch.lerp(self.pixels.colors(rows), answer, share)
        self.pixels.put(out, top, answer, kept)

    def _run(self, tile: Tensor, context: Context) -> Tensor:
        return self.runner(tile[None], context)[0]


@torch.inference_mode()
def restore_pixels(
    model: RestorationModel,
    pixels: Pixels,
    options: Options,
    report: Report,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Restore the values of a picture at full strength.

    Args:
        model: With its device and precision.
        pixels: The picture.
        options: How.
        report: Filled with what was done.
        progress: Told the share of the tiles that is done, after each.

    Returns:
        Like ``pixels.values``.

    Raises:
        ValueError: An option does not fit the picture or the model, or memory does not suffice.
        FloatingPointError: The answer is not finite.
    """
    names, network = model.card.degradations, model.network
    steering = None
    if options.steers:
        steering = Steering(names, options.degradations, options.task, options.not_)
    masks = [
        None if mask is None else read_mask(mask, pixels.size, name)
        for name, mask in (('mask', options.mask), ('steer_mask', options.steer_mask))
    ]
    small = shrunk(pixels)
    describe: Any = network.describe
    context = describe_picture(describe, pixels, small, model.device)
    steered = steering.apply(context) if steering is not None else None
    if context.prior is not None:
        report.degradations = beliefs(names, context.prior.probabilities)
    if steered is not None and steered.prior is not None:
        report.steered = beliefs(names, steered.prior.probabilities)
    choice = choose_tiles(
        pixels.size,
        options.tile,
        options.overlap,
        model.multiple,
        model.device,
        lambda: model.memory_need(context),
        report,
        options.max_memory,
        pixels.values.nbytes,
    )
    if choice.grid.count > 1 and not model.traits.tiling:
        report.note(
            f'{model.traits.architecture} looks at the whole of a picture, and this one was cut '
            'into tiles: look for seams'
        )
    runner = TileRunner(
        model.engine,
        model.device,
        model.dtype,
        choice.overlap,
        report,
        choice.fixed,
        options.self_ensemble,
    )
    runner.usage.places = model.routing_places
    picture = Picture(pixels, runner, context, steered, *masks)
    out = np.empty_like(pixels.values)
    run = picture.restore if progress is None else _told(picture.restore, progress, choice.grid)
    for top, answer in blended_bands(choice.grid, run):
        picture.finish(out, top, answer)
    model.routing_places = runner.usage.places
    report.experts = runner.usage.shares()
    fault = find_fault(small, shrunk(Pixels(out, lambda values: values)))
    if fault is not None:
        report.note(f'look at the result: it is {fault}')
    return out


def _told(
    run: Callable[[Box], Tensor], progress: Callable[[float], None], grid: Grid
) -> Callable[[Box], Tensor]:
    done = 0

    def restore(box: Box) -> Tensor:
        nonlocal done
        answer = run(box)
        done += 1
        progress(done / grid.count)
        return answer

    return restore
