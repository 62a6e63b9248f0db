"""Restorations of several methods beside each other: figures for a paper, and a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from irbox.analysis.figure import new_figure, show_image
from irbox.analysis.output import Output, file_name
from irbox.analysis.samples import Sample
from irbox.analysis.slider_page import slider_page
from irbox.evaluation.score import score

Restore = Callable[[Sample], Tensor]
"""Gives a sample restored, (3, H, W), as the protocol has it: 0 to 1, or not clipped."""
INPUT, CLEAN = 'degraded', 'ground truth'
Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True)
class Compared:
    """One image and what the methods made of it."""

    sample: Sample
    images: dict[str, Tensor]
    """Method -> (3, H, W) in 0 to 1; the degraded image first, the clean one last."""
    scores: dict[str, dict[str, float]]
    """Method, the degraded image too -> ``psnr`` and ``ssim``."""
    box: Box


def from_folder(folder: Path) -> Restore:
    """Take restored images from a folder, as ``irbox test --out`` writes them.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder} is no folder of restored images.')

    def read(sample: Sample) -> Tensor:
        from irbox.datasets.pair_operations import to_tensor
        from irbox.datasets.read_image import read_image

        names = (f'{sample.label}_{sample.name}.png', f'{sample.name}.png')
        found = [folder / name for name in names if (folder / name).is_file()]
        if not found:
            raise FileNotFoundError(f'{folder} has neither {names[0]} nor {names[1]}.')
        return to_tensor(read_image(found[0]))

    return read


def compare(
    sample: Sample,
    methods: Mapping[str, Restore],
    protocol: str = 'aio',
    box: Box | None = None,
    side: int | None = None,
) -> Compared:
    """Restore a sample by every method and score it.

    Args:
        sample: Cut as the protocol cuts it, so that folders of results fit.
        methods: Name -> what restores, by the protocol.
        protocol: What the scores follow.
        box: What is enlarged; by default where the methods differ most.
        side: Of a box that is not given, in pixels; a quarter of the image's shorter side.

    Raises:
        ValueError: A restored image is of another size, or the box lies outside.
    """
    images = {INPUT: sample.degraded}
    for name, restore in methods.items():
        images[name] = restore(sample).cpu().float()
        if images[name].shape != sample.clean.shape:
            sizes = [f'{one.shape[-1]}x{one.shape[-2]}' for one in (images[name], sample.clean)]
            raise ValueError(
                f'{name} gives {sizes[0]} for {sample.name}, which is {sizes[1]}: compare with '
                f'images that were tested under --protocol {protocol}, without --crop.'
            )
    scores = {
        name: {key: float(value) for key, value in _score(image, sample, protocol).items()}
        for name, image in images.items()
    }
    images = {name: image.clamp(0, 1) for name, image in images.items()}
    height, width = sample.clean.shape[-2:]
    if box is None:
        box = choose_box(list(images.values()), side or max(1, min(height, width) // 4))
    left, top, wide, high = box
    if left < 0 or top < 0 or left + wide > width or top + high > height:
        raise ValueError(
            f'--box {",".join(map(str, box))} leaves {sample.name}, which is {width}x{height}.'
        )
    return Compared(sample, images | {CLEAN: sample.clean}, scores, box)


def choose_box(images: Sequence[Tensor], side: int) -> Box:
    """Find the square in which images differ most, by their variance at each pixel.

    Args:
        images: Two or more, (3, H, W): the degraded one, then what the methods give. The methods
            alone count where there are two or more of them.
        side: Of the square; cut down to the image.
    """
    methods = images[1:] if len(images) > 2 else images
    spread = torch.stack(list(methods)).double().var(0, correction=0).mean(0)
    side = min(side, *spread.shape)
    means = F.avg_pool2d(spread[None, None], side, stride=1)[0, 0]
    top, left = divmod(int(means.argmax()), means.shape[1])
    return left, top, side, side


def analyze(
    samples: Sequence[Sample],
    methods: Mapping[str, Restore],
    output: Output,
    protocol: str = 'aio',
    box: Box | None = None,
    side: int | None = None,
) -> list[dict[str, Any]]:
    """Compare on each sample: a figure each, one table, one page.

    Args:
        samples: One or more.
        methods: Name -> what restores.
        output: Where everything is written.
        protocol: What the scores follow.
        box: See ``compare``.
        side: See ``compare``.

    Returns:
        A row for each image and method: ``psnr`` and ``ssim``.
    """
    found = []
    for sample in samples:
        one = compare(sample, methods, protocol, box, side)
        found.append(one)
        _draw(one, protocol, output)
    rows: list[dict[str, Any]] = [
        {
            'image': one.sample.name,
            'label': one.sample.label,
            'method': name,
            'protocol': protocol,
            **scores,
            'box': ','.join(map(str, one.box)),
        }
        for one in found
        for name, scores in one.scores.items()
    ]
    output.rows(rows, 'compare')
    output.numbers(rows, 'compare')
    entries = [
        (f'{one.sample.name} ({one.sample.label})', one.images, _captions(one)) for one in found
    ]
    output.text(slider_page(entries, f'PSNR in dB / SSIM, protocol {protocol}'), 'compare.html')
    return rows


def _score(image: Tensor, sample: Sample, protocol: str) -> dict[str, Tensor]:
    return score(image[None], sample.clean[None], protocol)


def _captions(one: Compared) -> dict[str, str]:
    return {
        name: f'{name}: {scores["psnr"]:.2f} / {scores["ssim"]:.4f}'
        for name, scores in one.scores.items()
    } | {CLEAN: CLEAN}


def _draw(one: Compared, protocol: str, output: Output) -> None:
    """Draw the whole image with the box on the left, the crops in two rows beside it."""
    from matplotlib.patches import Rectangle

    left, top, wide, high = one.box
    crops = {
        name: image[:, top : top + high, left : left + wide] for name, image in one.images.items()
    }
    columns = (len(crops) + 1) // 2
    height, width = one.sample.clean.shape[-2:]
    tall = 3.0
    cell = tall / 2 - 0.3
    size = tall * width / height + columns * (cell * wide / high + 0.1) + 0.2, tall + 0.1
    with new_figure(*size) as figure:
        ratios = [(tall * width / height) / (cell * wide / high), *[1] * columns]
        grid: Any = figure.add_gridspec(2, 1 + columns, width_ratios=ratios)
        whole = figure.add_subplot(grid[:, 0])
        show_image(whole, one.images[INPUT])
        whole.set_xlabel(
            f'{one.sample.label}; PSNR (dB) / SSIM of the whole image, {protocol}', fontsize=6
        )
        for color, line in (('black', 2.4), ('#F0E442', 1.2)):
            frame = Rectangle((left - 0.5, top - 0.5), wide, high, fill=False, edgecolor=color)
            frame.set_linewidth(line)
            whole.add_patch(frame)
        captions = _captions(one)
        for number, (name, crop) in enumerate(crops.items()):
            axis = figure.add_subplot(grid[number // columns, 1 + number % columns])
            show_image(axis, crop)
            axis.set_xlabel(captions[name].replace(': ', '\n'), fontsize=6.5)
        output.figure(figure, output.unused(f'compare_{file_name(one.sample.name)}'))
