"""Gate maps of degraded images and of their clean partners (M2IR, Fig. 9)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.analysis.figure import marks, new_figure, show_image, show_map
from irbox.analysis.output import Output, file_name
from irbox.analysis.record import run
from irbox.analysis.samples import Sample, by_label
from irbox.structures import Gate

WORST = 0.1
"""Share of the pixels that count as the most degraded, and as the least."""
MOST_ROWS = 8
"""Blocks below each other on a sheet."""


@dataclass(frozen=True)
class GatePair:
    """The gate of one block for a degraded image and for its clean partner."""

    place: str
    weighs: str
    degraded: Tensor
    """(C, h, w), 0 to 1."""
    clean: Tensor


@dataclass(frozen=True)
class GateRow:
    """What is measured of a gate map, the mean over its channels.

    Correlations are Pearson's over pixels, with the mean of |degraded - clean| over RGB, averaged
    to the map's size; not a number where one of the two is the same everywhere.
    """

    label: str
    image: str
    place: str
    weighs: str
    mean_degraded: float
    mean_clean: float
    correlation: float
    """Of the degraded image's gate. Negative: it is lower where the degradation is."""
    correlation_clean: float
    """Of the clean partner's gate: what the content alone does, where it is degraded most."""
    correlation_difference: float
    """Of degraded minus clean: what the degradation does, the content taken out."""
    worst_minus_best: float
    """Mean of degraded minus clean over the tenth of the pixels that are degraded most, minus the
    same over the tenth that is degraded least. Negative: closed by the degradation."""


def gate_pairs(network: nn.Module, sample: Sample, places: Sequence[str] = ()) -> list[GatePair]:
    """Record the gates of both images of a sample.

    Args:
        network: In evaluation mode.
        sample: Of a size that the network does not pad, see ``choose_samples``.
        places: What the names of places begin with; all by default.

    Raises:
        ValueError: The network has no gates there.
    """
    device = next(network.parameters()).device
    degraded, clean = (
        run(network, image[None].to(device)).of(Gate) for image in (sample.degraded, sample.clean)
    )
    found = [
        GatePair(one.place, one.what.weighs, one.what.values[0].cpu(), other.what.values[0].cpu())
        for one, other in zip(degraded, clean, strict=True)
        if not places or one.place.startswith(tuple(places))
    ]
    if not found:
        there = ', '.join(dict.fromkeys(one.place for one in degraded))
        raise ValueError(
            f'--places {" ".join(places)}: the gates are at {there}.'
            if there
            else 'This network has no gates: no block of it records one (MSTBlock, MambaCNNBlock '
            'with edge_aware; docs/plugins.md says how a block of your own does).'
        )
    return found


def degradation_map(sample: Sample, size: tuple[int, int]) -> Tensor:
    """Average |degraded - clean| over RGB and to a size, (h, w)."""
    error = (sample.degraded - sample.clean).abs().mean(0, keepdim=True)[None]
    return F.adaptive_avg_pool2d(error, size)[0, 0]


def measure(sample: Sample, pair: GatePair) -> GateRow:
    """Measure one gate."""
    degraded, clean = (
        gate.float().mean(0).double().flatten().numpy() for gate in (pair.degraded, pair.clean)
    )
    height, width = pair.degraded.shape[-2:]
    error = degradation_map(sample, (height, width)).double().flatten().numpy()
    change = degraded - clean
    order = error.argsort(kind='stable')
    count = max(1, round(WORST * len(order)))
    return GateRow(
        sample.label,
        sample.name,
        pair.place,
        pair.weighs,
        float(degraded.mean()),
        float(clean.mean()),
        correlation(degraded, error),
        correlation(clean, error),
        correlation(change, error),
        float(change[order[-count:]].mean() - change[order[:count]].mean()),
    )


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Compute Pearson's correlation, not a number where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / scale) if scale > 1e-12 else float('nan')


def summarize(rows: Sequence[GateRow]) -> list[dict[str, Any]]:
    """Average over the images of a degradation and place, with deviations and how many are < 0."""
    found = []
    for place in dict.fromkeys(row.place for row in rows):
        here = [row for row in rows if row.place == place]
        for label, those in by_label(here).items():
            line: dict[str, Any] = {'place': place, 'weighs': those[0].weighs}
            line |= {'label': label, 'images': len(those)}
            for name in (
                'correlation',
                'correlation_clean',
                'correlation_difference',
                'worst_minus_best',
            ):
                values = np.array([getattr(row, name) for row in those])
                values = values[np.isfinite(values)]
                line[name] = float(values.mean()) if len(values) else float('nan')
                line[f'{name}_deviation'] = float(values.std()) if len(values) else float('nan')
                line[f'{name}_negative'] = int((values < 0).sum())
            found.append(line)
    return found


def analyze(
    network: nn.Module,
    samples: Sequence[Sample],
    output: Output,
    places: Sequence[str] = (),
    channels: Sequence[int] = (),
    sheets: int | None = None,
) -> list[dict[str, Any]]:
    """Measure the gates of all samples and draw a sheet for each.

    Args:
        network: In evaluation mode.
        samples: One or more.
        output: Where everything is written.
        places: What the names of places begin with, all by default; the paper shows the encoder's.
        channels: Channels that the sheets show besides the mean.
        sheets: Of each degradation at most so many; all by default.

    Returns:
        What ``summarize`` gives.
    """
    rows = []
    drawn: Counter[str] = Counter()
    for sample in samples:
        pairs = gate_pairs(network, sample, places)
        rows += [measure(sample, pair) for pair in pairs]
        drawn[sample.label] += 1
        if sheets is None or drawn[sample.label] <= sheets:
            _sheet(sample, pairs, channels, output)
    found = summarize(rows)
    output.rows([vars(row) for row in rows], 'gates_images')
    output.rows(found, 'gates')
    output.numbers(found, 'gates')
    _bars(found, output)
    return found


def _sheet(
    sample: Sample, pairs: Sequence[GatePair], channels: Sequence[int], output: Output
) -> None:
    """Images on top, a row for each block: gate of the degraded, of the clean, difference.

    Of many blocks the second half of the rows stands beside the first, and so on.
    """
    wide = 3 + 2 * len(channels)
    groups = math.ceil(len(pairs) / MOST_ROWS)
    rows = math.ceil(len(pairs) / groups)
    height, width = sample.degraded.shape[-2:]
    cell = 1.6
    size = cell * wide * groups + 0.2, (cell * height / width + 0.2) * (1 + rows)
    with new_figure(*size) as figure:
        axes: Any = figure.subplots(1 + rows, wide * groups, squeeze=False)
        for axis in [*axes[0, 3:], *axes[1 + len(pairs) - rows * (groups - 1) :, -wide:].flat]:
            axis.set_axis_off()
        show_image(axes[0, 0], sample.degraded, f'degraded: {sample.label}')
        show_image(axes[0, 1], sample.clean, 'clean')
        error = degradation_map(sample, (height, width))
        show_map(axes[0, 2], error, f'|degraded - clean|: 0 to {float(error.max()):.2f}')
        for number, pair in enumerate(pairs):
            left = wide * (number // rows)
            row = axes[1 + number % rows, left : left + wide]
            for axis, (title, values, limits) in zip(row, _panels(pair, channels), strict=True):
                show_map(axis, values, f'{title}: {limits[0]:.3f} to {limits[1]:.3f}', limits)
            row[0].set_ylabel(f'{pair.place}\nweighs: {pair.weighs}', fontsize=6)
        output.figure(figure, output.unused(f'gates_{file_name(sample.name)}'))


Limits = tuple[float, float]


def _panels(pair: GatePair, channels: Sequence[int]) -> Iterator[tuple[str, Tensor, Limits]]:
    """Title, map and the range of its colors: both gates have one, so that they compare."""
    degraded, clean = pair.degraded.float(), pair.clean.float()
    means = degraded.mean(0), clean.mean(0)
    shared = _limits(*means)
    yield 'degraded', means[0], shared
    yield 'clean', means[1], shared
    reach = max(map(abs, _limits(means[0] - means[1])))
    yield 'difference', means[0] - means[1], (-reach, reach)
    for channel in channels:
        if not 0 <= channel < len(degraded):
            raise ValueError(
                f'--channels {channel}: the gate of {pair.place} has {len(degraded)}, from 0.'
            )
        shared = _limits(degraded[channel], clean[channel])
        yield f'{channel}, degraded', degraded[channel], shared
        yield f'{channel}, clean', clean[channel], shared


def _limits(*maps: Tensor) -> Limits:
    """The range of 99 % of the values: single pixels would take the colors from all others."""
    values = np.concatenate([one.flatten().numpy() for one in maps])
    low, high = np.quantile(values, [0.005, 0.995])
    return float(low), float(high)


def _bars(found: Sequence[dict[str, Any]], output: Output) -> None:
    """The correlations by place and degradation, with the deviation over images."""
    places = list(dict.fromkeys(line['place'] for line in found))
    labels = list(dict.fromkeys(line['label'] for line in found))
    kinds = marks(labels)
    titles = {
        'correlation': 'gate of the\ndegraded image',
        'correlation_clean': 'gate of its\nclean partner',
        'correlation_difference': 'difference\nof the two',
    }
    with new_figure(6.5, 1.2 + 0.1 * len(places) * (len(labels) + 1)) as figure:
        axes: Any = figure.subplots(1, 3, sharey=True)
        step = 0.8 / len(labels)
        for axis, (name, title) in zip(axes, titles.items(), strict=True):
            for number, label in enumerate(labels):
                lines = [line for line in found if line['label'] == label]
                axis.barh(
                    [places.index(line['place']) - 0.4 + step * (number + 0.5) for line in lines],
                    [line[name] for line in lines],
                    height=step,
                    xerr=[line[f'{name}_deviation'] for line in lines],
                    color=kinds[label].color,
                    hatch=kinds[label].hatch,
                    edgecolor='white',
                    error_kw={'elinewidth': 0.8, 'ecolor': '0.4'},
                    label=label,
                )
            axis.axvline(0, color='black', linewidth=0.6)
            axis.set(xlim=(-1, 1), title=title)
        weighed = ', '.join(dict.fromkeys(line['weighs'] for line in found))
        figure.supxlabel(
            f'gates that weigh {weighed}: correlation with |degraded - clean|,\n'
            'mean and deviation over images',
            fontsize=8,
        )
        axes[0].set_yticks(range(len(places)), places)
        axes[0].set_ylim(len(places) - 0.5, -0.5)
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc='outside upper center', ncols=len(kinds)
        )
        output.figure(figure, 'gates')
