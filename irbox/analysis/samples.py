"""Which images are analyzed: so many of each degradation, spread over what there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from irbox.registry import suggest


@dataclass(frozen=True)
class Sample:
    """A degraded image and its clean partner."""

    name: str
    label: str
    degraded: Tensor
    """(3, H, W), RGB, 0 to 1."""
    clean: Tensor


def choose_samples(
    datasets: Sequence[Any],
    per_label: int,
    labels: Sequence[str] = (),
    crop: int | None = None,
    multiple: int = 1,
) -> list[Sample]:
    """Take images of each degradation, evenly spread over those that all data sets have.

    Args:
        datasets: With ``image``, ``target``, ``label`` and ``name`` in each item.
        per_label: At most so many of each, whatever sets they are in.
        labels: Which degradations, in this order; all by default, in the data sets'.
        crop: Cut the middle of at most so many pixels a side out.
        multiple: Sides become multiples of it, so that a network pads nothing and its maps lie
            over the image.

    Raises:
        ValueError: A label has no image, or an image is smaller than ``multiple``.
    """
    places = _places(datasets)
    for label in labels:
        if label not in places:
            raise ValueError(f'--labels: {label!r} is none of the data. {suggest(label, places)}')
    chosen = []
    for label in labels or places:
        there = places[label]
        count = min(per_label, len(there))
        for index in np.linspace(0, len(there) - 1, count).round().astype(int).tolist():
            dataset, place = there[index]
            chosen.append(_sample(dataset[place], crop, multiple))
    return chosen


def by_label(samples: Sequence[Any]) -> dict[str, list[Any]]:
    """Sort what has a ``label`` by it, in the order of the first of each."""
    found: dict[str, list[Any]] = {}
    for one in samples:
        found.setdefault(one.label, []).append(one)
    return found


def _places(datasets: Sequence[Any]) -> dict[str, list[tuple[Any, int]]]:
    """Which sets and indices carry which label."""
    found: dict[str, list[tuple[Any, int]]] = {}
    for dataset in datasets:
        for index, label in _labels(dataset):
            found.setdefault(label, []).append((dataset, index))
    return found


def _labels(dataset: Any) -> Iterator[tuple[int, str]]:
    """Give the label of each index, without reading an image where the set says it otherwise."""
    if hasattr(dataset, 'pairs'):
        yield from ((index, pair.label) for index, pair in enumerate(dataset.pairs))
        return
    counts: Mapping[str, float] = getattr(dataset, 'task_counts', {})
    in_turn = [label for label, count in counts.items() for _ in range(int(count))]
    ends = (0, len(dataset) // 2, len(dataset) - 1)
    if len(in_turn) == len(dataset) and all(dataset[i]['label'] == in_turn[i] for i in ends):
        yield from enumerate(in_turn)
        return
    yield from ((index, str(dataset[index]['label'])) for index in range(len(dataset)))


def _sample(item: Mapping[str, Any], crop: int | None, multiple: int) -> Sample:
    images = []
    for image in (item['image'], item['target']):
        height, width = (
            (min(side, crop) if crop else side) // multiple * multiple for side in image.shape[-2:]
        )
        if not height or not width:
            size = 'x'.join(map(str, image.shape[-2:]))
            # Where the image itself is too small, a larger crop would not help.
            small = min(image.shape[-2:]) < multiple
            cut = '' if small else f', cut to {crop}'
            remedy = 'Take others with --data or --labels' if small else 'Raise --crop'
            raise ValueError(
                f'{item["name"]} ({item["label"]}) is {size}{cut}: smaller than the {multiple} '
                f'pixels that are needed. {remedy}.'
            )
        top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
        # A copy: a view would keep the whole image.
        images.append(image[:, top : top + height, left : left + width].clone())
    return Sample(str(item['name']), str(item['label']), *images)
