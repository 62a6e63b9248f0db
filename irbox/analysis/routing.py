"""Which experts images go to (M2Restore, Fig. 8 and its discussion)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from irbox.analysis.clusters import (
    Projection,
    Separation,
    as_numbers,
    project,
    separation,
    standardized,
)
from irbox.analysis.figure import marks
from irbox.analysis.output import Output
from irbox.analysis.record import run
from irbox.analysis.routing_figures import draw_clusters, draw_maps, draw_shares
from irbox.analysis.samples import Sample, by_label
from irbox.structures import Routing


@dataclass(frozen=True)
class RoutedImage:
    """What one place does with one image."""

    number: int
    """Of the image: images of several sets may share a name."""
    label: str
    image: str
    place: str
    weights: np.ndarray
    """(N,), each expert's weight, mean over pixels."""
    shares: np.ndarray
    """(N,), the share of the pixels that visit it; they sum to K."""
    pixel_entropy: float
    """Of a pixel's weights, in bits, mean over pixels; at most log2 K."""


def routings(network: nn.Module, image: Tensor) -> dict[str, Routing]:
    """Record the routings of an image (3, H, W), by place in the order in which they ran.

    Raises:
        ValueError: The network routes nothing.
    """
    device = next(network.parameters()).device
    found: dict[str, Routing] = {}
    for one in run(network, image[None].to(device)).of(Routing):
        place = one.place
        while place in found:
            place += "'"
        found[place] = one.what
    if not found:
        raise ValueError(
            'This network has no experts: no block of it records a Routing (DDER and ADEC do).'
        )
    return found


def measure(number: int, sample: Sample, place: str, routing: Routing) -> RoutedImage:
    """Measure what one place does with the image of a number."""
    weights = routing.weights[0].double().cpu().flatten(1)
    return RoutedImage(
        number,
        sample.label,
        sample.name,
        place,
        weights.mean(1).numpy(),
        (weights > 0).double().mean(1).numpy(),
        float(entropy(weights / weights.sum(0).clamp_min(1e-12)).mean()),
    )


def entropy(shares: Tensor) -> Tensor:
    """Compute the entropy in bits over the first axis of what sums to 1 along it."""
    return -(shares * shares.clamp_min(1e-30).log2()).sum(0)


def usage(images: Sequence[RoutedImage]) -> list[dict[str, Any]]:
    """Sum up each place: the share of each expert by degradation, balance, entropy.

    Returns:
        Rows: ``place``, ``label`` (``all`` for all images), ``expert 1`` and so on (shares of the
        pixels), ``entropy`` of these shares in bits and over that of equal ones (``evenness``),
        ``balance`` (squared coefficient of variation of the shares, unbiased as in the balance
        loss; 0 where all are visited equally often), ``unvisited``, the numbers of experts that no
        pixel visits.
    """
    found = []
    for place in dict.fromkeys(one.place for one in images):
        here = [one for one in images if one.place == place]
        for label, those in [*by_label(here).items(), ('all', here)]:
            shares = np.mean([one.shares for one in those], axis=0)
            bits = float(entropy(torch.from_numpy(shares / shares.sum())))
            names = {f'expert {number}': float(s) for number, s in enumerate(shares, 1)}
            found.append(
                {
                    'place': place,
                    'label': label,
                    'images': len(those),
                    **names,
                    'entropy': bits,
                    'evenness': bits / np.log2(len(shares)) if len(shares) > 1 else 1.0,
                    'balance': float(shares.var(ddof=1) / shares.mean() ** 2)
                    if len(shares) > 1
                    else 0.0,
                    'unvisited': [n for n, share in enumerate(shares.tolist(), 1) if not share],
                    'pixel_entropy': float(np.mean([one.pixel_entropy for one in those])),
                }
            )
    return found


def vectors(images: Sequence[RoutedImage]) -> tuple[np.ndarray, list[str]]:
    """Lay the weights of all places of an image beside each other, (n, places * N), and labels."""
    places = list(dict.fromkeys(one.place for one in images))
    by_image: dict[int, dict[str, RoutedImage]] = {}
    for one in images:
        by_image.setdefault(one.number, {})[one.place] = one
    points = [np.concatenate([found[p].weights for p in places]) for found in by_image.values()]
    return np.array(points), [next(iter(found.values())).label for found in by_image.values()]


def clusters(
    images: Sequence[RoutedImage], seeds: Sequence[int], perplexity: float = 30
) -> dict[str, tuple[Separation, Projection]]:
    """Measure how far apart degradations lie: by the weights as they are, and standardized."""
    points, labels = vectors(images)
    return {
        name: (separation(one, labels), project(one, labels, seeds, perplexity))
        for name, one in (('weights', points), ('standardized weights', standardized(points)))
    }


def analyze(
    network: nn.Module,
    samples: Sequence[Sample],
    output: Output,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    perplexity: float = 30,
) -> dict[str, Any]:
    """Measure the routings of all samples and draw clusters, shares, and maps of some images.

    Args:
        network: In evaluation mode.
        samples: Of one degradation or more.
        output: Where everything is written.
        seeds: Of projections that start at random.
        perplexity: Of t-SNE; 30 in the paper.

    Returns:
        ``usage``, and ``clusters`` where there are two degradations or more.
    """
    images: list[RoutedImage] = []
    shown: dict[str, tuple[Sample, dict[str, Tensor]]] = {}
    for number, sample in enumerate(samples, 1):
        found = routings(network, sample.degraded)
        images += [measure(number, sample, place, routing) for place, routing in found.items()]
        shown.setdefault(
            sample.label,
            (sample, {place: r.weights[0].argmax(0).cpu() for place, r in found.items()}),
        )
    rows = usage(images)
    keys = ('number', 'label', 'image', 'place', 'pixel_entropy')
    output.rows(
        [
            {
                **{key: getattr(one, key) for key in keys},
                **{f'weight {n}': float(w) for n, w in enumerate(one.weights, 1)},
                **{f'share {n}': float(s) for n, s in enumerate(one.shares, 1)},
            }
            for one in images
        ],
        'routing_images',
    )
    output.rows(rows, 'routing')
    numbers: dict[str, Any] = {'usage': rows}
    draw_shares(rows, output)
    draw_maps(list(shown.values()), output)
    if len(shown) > 1:
        measured = clusters(images, seeds, perplexity)
        numbers['clusters'] = {name: as_numbers(*one) for name, one in measured.items()}
        output.rows(
            [{'points': name, **line} for name, line in numbers['clusters'].items()],
            'routing_clusters',
        )
        draw_clusters(measured, vectors(images)[1], marks(list(shown)), output)
    output.numbers(numbers, 'routing')
    return numbers
