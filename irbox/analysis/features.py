"""Whether an encoder's features tell degradations apart (M2IR, Fig. 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from irbox.analysis.clusters import as_numbers, principal, project, separation, standardized
from irbox.analysis.figure import marks, new_figure
from irbox.analysis.output import Output
from irbox.analysis.record import run
from irbox.analysis.routing_figures import explain, scatter
from irbox.analysis.samples import Sample
from irbox.structures import Features


def pooled(network: nn.Module, image: Tensor) -> dict[str, np.ndarray]:
    """Average each recorded feature map of an image (3, H, W) over its pixels: place -> (C,).

    Raises:
        ValueError: The network records none.
    """
    device = next(network.parameters()).device
    found = {
        one.place: one.what.values[0].double().mean((1, 2)).cpu().numpy()
        for one in run(network, image[None].to(device)).of(Features)
    }
    if not found:
        raise ValueError(
            f'{type(network).__name__} records no Features: let its `restore` do so '
            '(docs/analyses.md).'
        )
    return found


def analyze(
    networks: Mapping[str, nn.Module],
    samples: Sequence[Sample],
    output: Output,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    perplexity: float = 30,
) -> list[dict[str, Any]]:
    """Measure and draw the features of each level, of several networks beside each other.

    Each channel is brought to mean 0 and deviation 1 over the images first, so that none outweighs
    the others by its scale.

    Args:
        networks: Name -> network in evaluation mode.
        samples: Of two degradations or more.
        output: Where everything is written.
        seeds: Of projections that start at random.
        perplexity: Of t-SNE.

    Returns:
        A row for each network and place: see ``Separation``.
    """
    labels = [sample.label for sample in samples]
    kinds = marks(labels)
    rows, panels = [], {}
    for name, network in networks.items():
        found = [pooled(network, sample.degraded) for sample in samples]
        for place in found[0]:
            points = standardized(np.array([one[place] for one in found]))
            measured = separation(points, labels)
            projection = project(points, labels, seeds, perplexity)
            components, shares = principal(points)
            panels[name, place] = components, shares, measured, projection
            rows.append(
                {'network': name, 'place': place, 'channels': points.shape[1]}
                | as_numbers(measured, projection)
                | {'pca_variance': sum(shares)}
            )
    output.rows(rows, 'features')
    output.numbers(rows, 'features')
    for kind in ('pca', 'tsne'):
        _draw(kind, list(networks), panels, labels, kinds, output)
    return rows


def _draw(
    kind: str,
    names: Sequence[str],
    panels: Mapping[tuple[str, str], Any],
    labels: Sequence[str],
    kinds: Mapping[str, Any],
    output: Output,
) -> None:
    """A row for each network, a column for each level."""
    places = [[place for name, place in panels if name == one] for one in names]
    columns = max(map(len, places))
    with new_figure(2.6 * columns, 2.7 * len(names) + 0.3) as figure:
        axes: Any = figure.subplots(len(names), columns, squeeze=False)
        for row, name, there in zip(axes, names, places, strict=True):
            for axis in row[len(there) :]:
                axis.set_axis_off()
            for axis, place in zip(row, there, strict=False):
                components, shares, measured, projection = panels[name, place]
                axis.set_title(f'{name}: {place}')
                if kind == 'pca':
                    scatter(axis, components, labels, kinds)
                    axis.set_xlabel(
                        f'PCA, {sum(shares):.0%} of the variance; '
                        f'silhouette {measured.silhouette:.2f} before',
                        fontsize=6,
                    )
                else:
                    scatter(axis, projection.points, labels, kinds)
                    axis.set_xlabel(explain(measured, projection), fontsize=5)
        handles = axes[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc='outside upper center', ncols=len(kinds))
        output.figure(figure, f'features_{kind}')
