"""What a prior believes, against what the images suffer from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from irbox.analysis.figure import SEQUENTIAL, new_figure
from irbox.analysis.output import Output
from irbox.analysis.samples import Sample

BINS = 10


@torch.no_grad()
def beliefs(network: nn.Module, samples: Sequence[Sample]) -> np.ndarray:
    """Give the prior's probabilities of each sample, (n, D).

    Raises:
        ValueError: The network has no prior.
    """
    describe: Any = network.describe
    device = next(network.parameters()).device
    found = []
    for sample in samples:
        prior = describe(sample.degraded[None].to(device)).prior
        if prior is None:
            raise ValueError('This network has no prior.')
        found.append(prior.probabilities[0].double().cpu().numpy())
    return np.array(found)


def confusion(
    probabilities: np.ndarray, labels: Sequence[str], names: Sequence[str]
) -> dict[str, list[int]]:
    """Count, for each label, which name the prior believes in most: label -> D numbers."""
    found = {label: [0] * len(names) for label in labels}
    for label, chosen in zip(labels, probabilities.argmax(1).tolist(), strict=True):
        found[label][chosen] += 1
    return found


def calibration(
    probabilities: np.ndarray, right: np.ndarray, bins: int = BINS
) -> tuple[list[dict[str, float]], float]:
    """Compare how sure the prior is with how often it is right.

    Args:
        probabilities: (n, D).
        right: (n,), whether the most probable name is the label.
        bins: Of the largest probability, equally wide.

    Returns:
        For each bin that holds samples ``confidence``, ``accuracy`` and ``count``; and the expected
        calibration error, the mean of |accuracy - confidence| weighted by count (Guo et al. 2017).
    """
    sure = probabilities.max(1)
    which = np.minimum((sure * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        here = which == number
        if here.any():
            found.append(
                {
                    'confidence': float(sure[here].mean()),
                    'accuracy': float(right[here].mean()),
                    'count': int(here.sum()),
                }
            )
    gaps = [abs(one['accuracy'] - one['confidence']) * one['count'] for one in found]
    return found, float(sum(gaps) / len(sure))


def analyze(
    network: nn.Module, names: Sequence[str], samples: Sequence[Sample], output: Output
) -> dict[str, Any]:
    """Measure the prior on all samples; draw the confusion matrix and the calibration.

    Args:
        network: With a prior.
        names: Of its probabilities, in their order.
        samples: One or more. Labels that the prior has no name for stand in the matrix alone.
        output: Where everything is written.

    Returns:
        ``accuracy``, ``brier`` (mean squared error of the probabilities, summed over names; 0 to
        2), ``calibration_error``, all over the samples whose label has a name.
    """
    probabilities = beliefs(network, samples)
    if probabilities.shape[1] != len(names):
        raise ValueError(
            f'The prior gives {probabilities.shape[1]} probabilities and has {len(names)} names: '
            f'{", ".join(names)}.'
        )
    labels = [sample.label for sample in samples]
    matrix = confusion(probabilities, labels, names)
    known = np.array([label in names for label in labels])
    numbers: dict[str, Any] = {'names': list(names), 'confusion': matrix, 'images': len(samples)}
    lines: list[dict[str, float]] = []
    if known.any():
        truth = np.array([names.index(label) for label in labels if label in names])
        given = probabilities[known]
        right = given.argmax(1) == truth
        lines, error = calibration(given, right)
        numbers |= {
            'accuracy': float(right.mean()),
            'brier': float(((given - np.eye(len(names))[truth]) ** 2).sum(1).mean()),
            'calibration_error': error,
            'bins': lines,
        }
    rows = [
        {'image': sample.name, 'label': sample.label}
        | dict(zip(names, map(float, one), strict=True))
        for sample, one in zip(samples, probabilities, strict=True)
    ]
    output.rows(rows, 'prior_images')
    output.rows(
        [{'label': label} | dict(zip(names, row, strict=True)) for label, row in matrix.items()],
        'prior',
    )
    output.numbers(numbers, 'prior')
    _draw(numbers, lines, output)
    return numbers


def _draw(numbers: dict[str, Any], lines: Sequence[dict[str, float]], output: Output) -> None:
    matrix = np.array(list(numbers['confusion'].values()), dtype=float)
    shares = matrix / matrix.sum(1, keepdims=True)
    names = numbers['names']
    with new_figure(6.5, 1.4 + 0.3 * len(shares)) as figure:
        first, second = figure.subplots(1, 2, gridspec_kw={'width_ratios': [1.5, 1]})
        drawn = first.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect='auto')
        for row, column in np.ndindex(shares.shape):
            ink = 'white' if shares[row, column] < 0.5 else 'black'
            text = f'{matrix[row, column]:.0f}'
            first.text(column, row, text, ha='center', va='center', color=ink, fontsize=6)
        first.set_xticks(range(len(names)), names, rotation=30, ha='right')
        first.set_yticks(range(len(shares)), list(numbers['confusion']))
        first.set(xlabel='the prior believes most in', ylabel='the image suffers from')
        figure.colorbar(drawn, ax=first, label='share of the row')
        second.plot([0, 1], [0, 1], color='0.6', linewidth=0.8)
        second.plot([one['confidence'] for one in lines], [one['accuracy'] for one in lines], 'o-k')
        for one in lines:
            place = (one['confidence'], one['accuracy'])
            style: Any = {'textcoords': 'offset points', 'fontsize': 6}
            second.annotate(f'{one["count"]:.0f}', place, (4, -8), **style)
        second.set(xlim=(0, 1.05), ylim=(0, 1.05), xlabel='largest probability', ylabel='right')
        if 'accuracy' in numbers:
            second.set_title(
                f'right {numbers["accuracy"]:.2f}, calibration error '
                f'{numbers["calibration_error"]:.2f}'
            )
        output.figure(figure, 'prior')
