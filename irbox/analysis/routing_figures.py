"""Routings, drawn: clusters of images, shares of experts, maps of the chosen expert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from irbox.analysis.clusters import Projection, Separation
from irbox.analysis.figure import SEQUENTIAL, Mark, bare, marks, new_figure, show_image
from irbox.analysis.output import Output
from irbox.analysis.samples import Sample


def scatter(
    axes: Any, points: np.ndarray, labels: Sequence[str], kinds: Mapping[str, Mark]
) -> None:
    """Draw points of several kinds."""
    for label, mark in kinds.items():
        here = np.array([one == label for one in labels])
        axes.scatter(
            points[here, 0],
            points[here, 1],
            s=14,
            c=mark.color,
            marker=mark.marker,
            linewidths=0.3,
            edgecolors='white',
            label=label,
        )
    axes.set_xticks([])
    axes.set_yticks([])


def explain(measured: Separation, projection: Projection) -> str:
    """Give the numbers of a panel."""
    spread = ''
    if projection.spread:
        mean, deviation = np.mean(projection.spread), np.std(projection.spread)
        seeds = ', '.join(map(str, projection.seeds))
        spread = f'\nrandom starts (seeds {seeds}): {mean:.2f} ± {deviation:.2f}'
    error = measured.silhouette_error
    before = f'{measured.silhouette:.2f}' + (f' ± {error:.2f}' if error == error else '')
    return (
        f'{projection.text}\n'
        f'silhouette {before} before (chance < {measured.by_chance_most:.2f}), '
        f'{projection.silhouette:.2f} here{spread}\n'
        f'distance within {measured.within:.2g} ± {measured.within_deviation:.2g}, '
        f'between {measured.between:.2g} ± {measured.between_deviation:.2g}'
    )


def draw_clusters(
    measured: Mapping[str, tuple[Separation, Projection]],
    labels: Sequence[str],
    kinds: Mapping[str, Mark],
    output: Output,
) -> None:
    """Draw a panel for each kind of points, with its numbers below."""
    with new_figure(3.6 * len(measured), 3.6) as figure:
        axes: Any = figure.subplots(1, len(measured), squeeze=False)[0]
        for axis, (name, (apart, projection)) in zip(axes, measured.items(), strict=True):
            scatter(axis, projection.points, labels, kinds)
            axis.set_title(f'{name}, all places')
            axis.set_xlabel(explain(apart, projection), fontsize=6)
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc='outside upper center', ncols=len(kinds)
        )
        output.figure(figure, 'routing_clusters')


def draw_shares(rows: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Draw heat maps and bars of the share of the pixels that visit each expert."""
    places = list(dict.fromkeys(row['place'] for row in rows))
    height = 0.35 * len({row['label'] for row in rows}) + 0.9
    with new_figure(7, height * len(places) + 0.3) as figure:
        axes: Any = figure.subplots(
            len(places), 2, squeeze=False, gridspec_kw={'width_ratios': [1, 1.4]}
        )
        for (heat, bars), place in zip(axes, places, strict=True):
            _shares(figure, heat, bars, [row for row in rows if row['place'] == place])
            heat.set_title(f'{place}: share of pixels')
        handles, names = axes[0, 1].get_legend_handles_labels()
        figure.legend(handles, names, loc='outside lower center', ncols=len(names))
        output.figure(figure, 'routing_shares')


def _shares(figure: Any, heat: Any, bars: Any, here: Sequence[Mapping[str, Any]]) -> None:
    experts = [key for key in here[0] if key.startswith('expert ')]
    labels = [row['label'] for row in here]
    values = np.array([[row[expert] for expert in experts] for row in here])
    drawn = heat.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect='auto')
    numbers = [expert.removeprefix('expert ') for expert in experts]
    bare(heat)
    heat.set_xticks(range(len(experts)), numbers)
    heat.set_yticks(range(len(labels)), labels)
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        ink = 'white' if value < 0.5 else 'black'
        heat.text(column, row, f'{value:.2f}', ha='center', va='center', color=ink, fontsize=6)
    figure.colorbar(drawn, ax=heat)
    single = [row for row in here if row['label'] != 'all']
    kinds = marks([row['label'] for row in single])
    step = 0.8 / len(single)
    for number, row in enumerate(single):
        mark = kinds[row['label']]
        places = np.arange(len(experts)) - 0.4 + step * (number + 0.5)
        shares = [row[expert] for expert in experts]
        style = {'color': mark.color, 'hatch': mark.hatch, 'edgecolor': 'white'}
        bars.bar(places, shares, step, label=row['label'], **style)
    bars.set_xticks(range(len(experts)), numbers)
    everything = here[-1]
    unvisited = ', '.join(map(str, everything['unvisited'])) or 'none'
    bars.set_title(
        f'evenness {everything["evenness"]:.2f}, balance {everything["balance"]:.2f}, '
        f'unvisited: {unvisited}'
    )


def draw_maps(shown: Sequence[tuple[Sample, Mapping[str, Tensor]]], output: Output) -> None:
    """Draw, for some images, the expert of the largest weight at each pixel of each place."""
    places = list(shown[0][1])
    count = 1 + max(int(chosen.max()) for _, maps in shown for chosen in maps.values())
    height, width = shown[0][0].degraded.shape[-2:]
    cell = 1.4
    size = cell * (1 + len(places)) + 0.7, (cell * height / width + 0.2) * len(shown) + 0.3
    with new_figure(*size) as figure:
        axes: Any = figure.subplots(len(shown), 1 + len(places), squeeze=False)
        colors: Any = _steps(count)
        for number, (row, (sample, maps)) in enumerate(zip(axes, shown, strict=True)):
            show_image(row[0], sample.degraded, sample.label)
            for axis, place in zip(row[1:], places, strict=True):
                drawn = axis.imshow(
                    maps[place].numpy() + 1,
                    cmap=colors,
                    vmin=0.5,
                    vmax=count + 0.5,
                    interpolation='nearest',
                )
                bare(axis, '' if number else place)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, ticks=range(1, count + 1))
        bar.set_label('expert of the largest weight')
        output.figure(figure, 'routing_maps')


def _steps(count: int) -> Any:
    """As many colors, each lighter than the one before."""
    import matplotlib

    return matplotlib.colormaps[SEQUENTIAL].resampled(count)
