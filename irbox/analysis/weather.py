"""Synthetic weather, looked at and measured: ``python -m irbox.analysis.weather SHEET FIGURE``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from irbox.analysis.figure import marks, new_figure
from irbox.datasets.photographs import HELD_OUT, TRAINING, photograph
from irbox.degradations import (
    Degradation,
    DenseRain,
    Haze,
    OTSHaze,
    RainFog,
    RainStreaks,
    Snow,
    Snowfall,
    SparseRain,
)
from irbox.degradations.streaks import Streaks, measure_streaks
from irbox.utils.contact_sheet import contact_sheet

SIDE, DRAWS = 256, 24
# Of a streak: those of long exposures are hardly above 0.02, which would cut them in pieces.
FAINTEST = 0.01
# Windows of the dark channel, in pixels (He, Sun, Tang, 2011).
WINDOW = 15
WEATHER: Mapping[str, Degradation] = {
    'DenseRain': DenseRain(),
    'SparseRain': SparseRain(),
    'RainFog': RainFog(),
    'RainStreaks': RainStreaks(),
    'RainStreaks, 1/60 s': RainStreaks(exposure=1 / 60, rainfall=80),
    'Snow': Snow(),
    'Snowfall': Snowfall(),
    'Snowfall, 1/60 s': Snowfall(exposure=1 / 60),
    'Haze': Haze(),
    'OTSHaze': OTSHaze(),
}
# Sparser than by default, so that single streaks and flakes can be told apart.
FALLING: Mapping[str, Degradation] = {
    'SparseRain': SparseRain(density=0.0004),
    'RainStreaks': RainStreaks(rainfall=4),
    'RainStreaks, 1/60 s': RainStreaks(rainfall=4, exposure=1 / 60),
    'Snow': Snow(amount=0.3, veil=0),
    'Snowfall': Snowfall(flakes=80),
    'Snowfall, 1/60 s': Snowfall(flakes=80, exposure=1 / 60),
}
HISTOGRAMS = (
    ('lengths', 'pixels', np.geomspace(2, 100, 30)),
    ('widths', 'pixels', np.geomspace(0.7, 20, 30)),
    ('angles', 'degrees', np.linspace(-90, 90, 31)),
)
HAZY = ('Haze', 'OTSHaze', 'RainFog', 'RainStreaks', 'Snowfall')


class Square(NamedTuple):
    """The middle square of a photograph."""

    image: np.ndarray
    """(256, 256, 3) float32, 0 to 1."""
    depth: np.ndarray | None
    """(256, 256), where it is known."""


def squares() -> list[Square]:
    """Give the middle squares of the photographs that installed packages bring along."""
    found = []
    for name in TRAINING + HELD_OUT:
        source = photograph(name)
        width, height = source.image.size
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
        image = source.image.resize((SIDE, SIDE), Image.Resampling.HAMMING, box=box)
        depth = source.depth and source.depth.resize((SIDE, SIDE), box=box)
        pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
        found.append(Square(pixels, None if depth is None else np.asarray(depth)))
    return found


def falling_alone(weather: Degradation, seed: int) -> np.ndarray:
    """Give what a degradation lays over something dark and far: (256, 256), 0 where nothing is."""
    dark = np.full((SIDE, SIDE, 3), 0.1, dtype=np.float32)
    far = np.ones((SIDE, SIDE), dtype=np.float32)
    over = weather(dark, np.random.default_rng(seed), far).mean(axis=2) - 0.1
    answer: np.ndarray = over - min(np.median(over), 0.5)
    return answer


def streaks_of(weather: Degradation) -> Streaks:
    """Measure the single streaks, or flakes, of many drawn masks."""
    masks = [falling_alone(weather, seed) for seed in range(DRAWS)]
    measured = [measure_streaks(mask, FAINTEST) for mask in masks]
    return Streaks(*(np.concatenate(values) for values in zip(*measured, strict=True)))


def darkest(image: np.ndarray) -> np.ndarray:
    """Give the dark channel: the least value of any color in a window."""
    answer: np.ndarray = ndimage.minimum_filter(image.min(axis=2), WINDOW)
    return answer


def degraded(weather: Degradation, pictures: Sequence[Square]) -> list[np.ndarray]:
    """Degrade each picture once."""
    return [
        weather(one.image, np.random.default_rng(seed), one.depth)
        for seed, one in enumerate(pictures)
    ]


def draw_figure(measured: Mapping[str, Streaks], dark: Mapping[str, np.ndarray], out: Path) -> None:
    """Draw histograms: lengths, widths and angles of what falls, by area, and dark channels.

    Args:
        measured: Name to what was measured.
        dark: Name to the dark channels of images.
        out: A .png, .pdf or .svg file.
    """
    falling, seen = marks(list(measured)), marks(list(dark))
    with new_figure(11, 3.2) as figure:
        axes = figure.subplots(1, 4)
        for axis, (key, unit, bins) in zip(axes, HISTOGRAMS, strict=False):
            for name, streaks in measured.items():
                values, color = getattr(streaks, key), falling[name].color
                axis.hist(
                    values,
                    bins,
                    weights=streaks.areas,
                    density=True,
                    histtype='step',
                    color=color,
                    label=name,
                )
            axis.set_title(f'{key}, {unit}')
            axis.set_xscale('linear' if key == 'angles' else 'log')
        shares = np.linspace(0, 1, 31)
        for name, values in dark.items():
            color = seen[name].color
            axes[3].hist(
                values.ravel(), shares, density=True, histtype='step', color=color, label=name
            )
        axes[3].set_title('dark channel')
        for axis in (axes[0], axes[3]):
            axis.legend(fontsize=6)
        figure.savefig(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a sheet of degraded photographs and a figure of what was measured, and print medians."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('sheet', type=Path)
    parser.add_argument('figure', type=Path)
    args = parser.parse_args(arguments)
    pictures = squares()
    answers = {name: degraded(weather, pictures) for name, weather in WEATHER.items()}
    shown = {name: images[:4] for name, images in answers.items() if 'Haze' not in name}
    captions = [[name, '', '', ''] for name in shown]
    contact_sheet(list(shown.values()), captions).save(args.sheet, quality=70)
    measured = {name: streaks_of(weather) for name, weather in FALLING.items()}
    for name, streaks in measured.items():
        parts = [
            np.quantile(values, (0.1, 0.5, 0.9), weights=streaks.areas, method='inverted_cdf')
            for values in streaks[:2]
        ]
        text = ['{:.1f} {:.1f} {:.1f}'.format(*part) for part in parts]
        leaning = np.median(np.abs(streaks.angles))
        print(f'{name:20}lengths {text[0]}; widths {text[1]}; leaning {leaning:.0f}')
    dark = {'clean': np.stack([darkest(one.image) for one in pictures])}
    dark |= {name: np.stack([darkest(image) for image in answers[name]]) for name in HAZY}
    for name, values in dark.items():
        print(f'{name:20}dark channel, mean {values.mean():.2f}')
    for name, images in answers.items():
        errors = [np.mean((a - one.image) ** 2) for a, one in zip(images, pictures, strict=True)]
        print(f'{name:20}PSNR {np.mean(-10 * np.log10(errors)):.1f}')
    black, rain = np.zeros((SIDE, SIDE, 3), dtype=np.float32), WEATHER['DenseRain']
    masks = [rain(black, np.random.default_rng(seed)) for seed in range(DRAWS)]
    numbers = [np.mean([measure(mask) for mask in masks]) for measure in (np.mean, np.std, np.max)]
    print('DenseRain, masks: mean {:.3f}, deviation {:.3f}, most {:.2f}'.format(*numbers))
    draw_figure(measured, dark, args.figure)


if __name__ == '__main__':
    main()
