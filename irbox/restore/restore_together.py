"""Pictures of one size through a network in one batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from irbox.pictures.picture import Picture
from irbox.restore.arrays import open_picture
from irbox.restore.devices import computing_in
from irbox.restore.guard import find_fault
from irbox.restore.options import Options
from irbox.restore.report import Report, beliefs
from irbox.restore.restoration import Restoration
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.whole_image import MOST_PIXELS

MOST_TOGETHER = MOST_PIXELS
"""Pixels of a picture above which a batch gains nothing on any device."""


def restore_together(
    model: RestorationModel, pictures: Sequence[Picture], options: Options
) -> list[Restoration | Exception]:
    """Restore pictures of one size.

    Those that are small and need nothing of their own are one batch, whose answers equal those of
    each alone but for the order of sums; where that fails, and all others, one at a time.

    Args:
        model: That restores them.
        pictures: Of one shape.
        options: How.

    Returns:
        The answer to each, or why there is none.
    """
    batch: list[Restoration] | None = None
    if len(pictures) > 1 and _is_simple(pictures, options):
        try:
            batch = _in_one(model, pictures, options)
        except Exception:  # such as for want of memory: alone each has remedies, and a message
            batch = None
    if batch is not None:
        return list(batch)
    answers: list[Restoration | Exception] = []
    for picture in pictures:
        try:
            answers.append(model.run(picture, options))
        except Exception as error:  # what stops one must not stop the rest
            answers.append(error)
    return answers


def _is_simple(pictures: Sequence[Picture], options: Options) -> bool:
    height, width = pictures[0].pixels.shape[:2]
    plain = replace(options, strength=1.0) == Options(tile=options.tile, overlap=options.overlap)
    whole = options.tile in ('auto', 'none', None) and height * width <= MOST_TOGETHER
    return plain and whole and all(one.alpha is None for one in pictures)


@torch.inference_mode()
def _in_one(
    model: RestorationModel, pictures: Sequence[Picture], options: Options
) -> list[Restoration] | None:
    """None where an answer looks wrong: each alone is then looked at more closely."""
    started = time.perf_counter()
    several = [open_picture(picture) for picture in pictures]
    given = torch.stack([pixels.colors().clamp(0, 1) for pixels in several]).to(model.device)
    network: Any = model.network
    context = network.describe(given)
    with computing_in(model.device, model.dtype):
        answers = model.engine(given, context).float().cpu()
    done = []
    for number, (picture, pixels) in enumerate(zip(pictures, several, strict=True)):
        height, width = pixels.size
        report = Report(
            (height, width),
            height * width / 1e6,
            str(model.device),
            model.precision,
            tile=(height, width),
            tiles=1,
            notes=[
                *pixels.notes,
                *model.runtime_notes,
                f'restored in one batch of {len(pictures)}',
            ],
        )
        if context.prior is not None:
            one = context.prior.probabilities[number : number + 1]
            report.degradations = beliefs(model.card.degradations, one)
        if find_fault(given[number].cpu(), answers[number]) is not None:
            return None
        out = np.empty_like(pixels.values)
        kept = np.zeros(pixels.size, dtype=bool)
        if pixels.values.dtype.kind == 'f':
            kept |= ((pixels.values < 0) | (pixels.values > 1)).any(2)
        pixels.put(out, 0, answers[number], kept)
        report.seconds = round((time.perf_counter() - started) / len(pictures), 3)
        done.append(Restoration(pixels, out, report, options.strength, picture))
    return done
