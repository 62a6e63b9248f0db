"""Scenes beside photographs: ``python -m irbox.datasets.scenes.statistics_figure BANK FILE``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from irbox.datasets.photographs import TRAINING, photograph
from irbox.datasets.scenes.scene_bank import SceneBank
from irbox.datasets.scenes.statistics import BINS, PictureStatistics, picture_statistics
from irbox.utils.optional import require

NUMBERS = {
    'spectrum_slope': 'slope of the power spectrum',
    'gradient_kurtosis': 'kurtosis of gradients',
    'smooth_share': 'share of smooth pixels',
}
HISTOGRAMS = {
    'dark_channel': ('dark channel', 1),
    'brightness': ('luminance', 1),
    'chroma': ('chroma in Lab', 100),
}


def draw_figure(groups: Mapping[str, Sequence[PictureStatistics]], out: Path) -> None:
    """Draw numbers as points and histograms as lines, a colour for each group.

    Args:
        groups: Name to the statistics of its pictures.
        out: A .png, .jpg or .svg file.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require('matplotlib', needed_by='The figure of the statistics')
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout='constrained')
    axes = figure.subplots(2, 3)
    rng = np.random.default_rng(0)
    for axis, (key, title) in zip(axes[0], NUMBERS.items(), strict=True):
        for place, pictures in enumerate(groups.values()):
            values = [getattr(one, key) for one in pictures]
            axis.plot(values, place + rng.uniform(-0.25, 0.25, len(values)), '.', alpha=0.6)
            axis.plot([np.median(values)] * 2, [place - 0.4, place + 0.4], 'k')
        axis.set_yticks(range(len(groups)), list(groups))
        axis.set_title(title, fontsize='medium')
    axes[0][1].set_xscale('log')
    for axis, (key, (title, highest)) in zip(axes[1], HISTOGRAMS.items(), strict=True):
        middle = (np.arange(BINS) + 0.5) * highest / BINS
        for name, pictures in groups.items():
            axis.plot(middle, np.mean([getattr(one, key) for one in pictures], axis=0), label=name)
        axis.set_title(title, fontsize='medium')
        axis.set_ylim(0, None)
    axes[1][0].legend(fontsize='small')
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a bank and the training photographs, print medians, and draw the figure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('bank', type=Path)
    parser.add_argument('out', type=Path)
    args = parser.parse_args(arguments)
    bank = SceneBank(args.bank)
    groups = {
        'photographs': [photograph(name).image for name in TRAINING],
        'scenes': [bank.read(number)[0].image for number in range(len(bank))],
    }
    measured = {
        name: [picture_statistics(np.asarray(image)) for image in images]
        for name, images in groups.items()
    }
    for name, pictures in measured.items():
        for key, title in NUMBERS.items():
            low, middle, high = np.quantile(
                [getattr(one, key) for one in pictures], (0.1, 0.5, 0.9)
            )
            print(f'{name:12}{title:30}{low:8.2f}{middle:8.2f}{high:8.2f}')
        for key, (title, highest) in HISTOGRAMS.items():
            means = [getattr(p, key) @ (np.arange(BINS) + 0.5) * highest / BINS for p in pictures]
            low, middle, high = np.quantile(means, (0.1, 0.5, 0.9))
            print(f'{name:12}{"mean " + title:30}{low:8.2f}{middle:8.2f}{high:8.2f}')
    draw_figure(measured, args.out)


if __name__ == '__main__':
    main()
