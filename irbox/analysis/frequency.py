"""The bands that frequency blocks split images into, and where the low one is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.analysis.figure import marks, new_figure, show_image, show_map
from irbox.analysis.output import Output
from irbox.analysis.record import Recorded, run
from irbox.analysis.samples import Sample
from irbox.structures import Bands


def band_energies(bands: Bands) -> dict[str, float]:
    """Measure the bands of one image.

    Returns:
        ``low`` and ``high``, mean squares; ``low_share``, low over their sum; ``empty``, whether
        the low band is zero everywhere.
    """
    low, high = (float(one.double().square().mean()) for one in (bands.low, bands.high))
    total = low + high
    share = low / total if total else 0.0
    return {'low': low, 'high': high, 'low_share': share, 'empty': not bool(bands.low.any())}


def record_bands(network: nn.Module, image: Tensor) -> list[Recorded]:
    """Record the bands of an image (3, H, W).

    Raises:
        ValueError: No block of the network splits frequencies.
    """
    device = next(network.parameters()).device
    found = run(network, image[None].to(device)).of(Bands)
    if not found:
        raise ValueError(
            'This network splits no frequencies: no block of it records Bands '
            '(AdaptiveFrequencyBlock does).'
        )
    return found


def resized(image: Tensor, side: int) -> Tensor:
    """Scale the middle square of an image (3, H, W) to ``side`` pixels."""
    height, width = image.shape[-2:]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = image[None, :, top : top + least, left : left + least]
    answer = F.interpolate(square, (side, side), mode='bilinear', antialias=True)
    return answer[0].clamp(0, 1)


def analyze(
    network: nn.Module, samples: Sequence[Sample], output: Output, sides: Sequence[int] = (128, 512)
) -> list[dict[str, Any]]:
    """Measure the bands of each sample at several sizes, and draw those of the first at each.

    Args:
        network: With blocks that record ``Bands``.
        samples: One or more; their middle squares are scaled.
        output: Where everything is written.
        sides: Of the images, in pixels; multiples of the network's.

    Returns:
        A row for each size and place: mean energies over the samples, and the share of the samples
        whose low band is empty.
    """
    rows = []
    for side in sides:
        for sample in samples:
            image = resized(sample.degraded, side)
            recorded = record_bands(network, image)
            for one in recorded:
                where = {'side': side, 'place': one.place, 'map': one.what.low.shape[-1]}
                who = {'label': sample.label, 'image': sample.name}
                rows.append(where | who | band_energies(one.what))
            if sample is samples[0]:
                _maps(side, image, recorded, output)
    found = []
    for side, place in dict.fromkeys((row['side'], row['place']) for row in rows):
        here = [row for row in rows if (row['side'], row['place']) == (side, place)]
        means = {key: float(np.mean([row[key] for row in here])) for key in ('low', 'high')}
        share = float(np.mean([row['low_share'] for row in here]))
        empty = float(np.mean([row['empty'] for row in here]))
        found.append(
            {'side': side, 'place': place, 'map': here[0]['map'], 'images': len(here)}
            | means
            | {'low_share': share, 'empty_share': empty}
        )
    output.rows(rows, 'frequency_images')
    output.rows(found, 'frequency')
    output.numbers(found, 'frequency')
    _bars(found, output)
    return found


def _maps(side: int, image: Tensor, recorded: Sequence[Recorded], output: Output) -> None:
    """The image, and under it each block's bands, mean of |values| over channels."""
    with new_figure(4.6, 1.9 * (1 + len(recorded))) as figure:
        axes: Any = figure.subplots(1 + len(recorded), 2, squeeze=False)
        show_image(axes[0, 0], image, f'{side}x{side}')
        axes[0, 1].set_axis_off()
        for row, one in zip(axes[1:], recorded, strict=True):
            maps = [band[0].abs().mean(0).cpu() for band in (one.what.low, one.what.high)]
            # One range for both: an empty band is as dark as it should be.
            limits = 0, max(float(values.max()) for values in maps) or 1
            for axis, name, values in zip(row, ('low', 'high'), maps, strict=True):
                title = f'{one.place}\n{name} band, {values.shape[1]}x{values.shape[0]}'
                title += '' if torch.any(values) else ', empty'
                figure.colorbar(show_map(axis, values, title, limits), ax=axis, shrink=0.8)
        output.figure(figure, f'frequency_{side}')


def _bars(found: Sequence[dict[str, Any]], output: Output) -> None:
    places = list(dict.fromkeys(row['place'] for row in found))
    sides = list(dict.fromkeys(row['side'] for row in found))
    kinds = marks(list(map(str, sides)))
    step = 0.8 / len(sides)
    with new_figure(6, 1.2 + 0.3 * len(places) * len(sides)) as figure:
        axis = figure.subplots()
        for number, side in enumerate(sides):
            here = [row for row in found if row['side'] == side]
            heights = [places.index(row['place']) - 0.4 + step * (number + 0.5) for row in here]
            mark = kinds[str(side)]
            style: Any = {'color': mark.color, 'hatch': mark.hatch, 'edgecolor': 'white'}
            values = [row['low_share'] for row in here]
            axis.barh(heights, values, step, label=f'{side}x{side}', **style)
            for height, row in zip(heights, here, strict=True):
                text = f' map of {row["map"]}: '
                text += 'empty' if row['empty_share'] == 1 else f'{row["low_share"]:.3f}'
                axis.text(row['low_share'], height, text, va='center', fontsize=6)
        axis.set_yticks(range(len(places)), places)
        axis.invert_yaxis()
        axis.set(xlim=(0, 1.2), xlabel='share of the energy in the low band')
        axis.legend(title='image', loc='lower right')
        output.figure(figure, 'frequency')
