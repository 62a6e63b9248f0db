"""``irbox show-data``: what a config feeds its network, to look at."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from irbox.commands.written_files import written_file
from irbox.config.command_line import add_config_options, whole_number

SUFFIXES = ('.png', '.jpg', '.jpeg')
# Small crops are shown larger, large images smaller, so that a sheet can be looked at.
SHOWN_SIZE = 256
NUMBER = 12
# Samples that are looked through for a task, where a set does not list its images.
SEARCHED = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', help='a .py or .yaml config with a train_dataloader')
    parser.add_argument(
        '--out', type=written_file, help='a .png or .jpg file (default: work_dirs/NAME/data.png)'
    )
    parser.add_argument(
        '--num',
        type=whole_number,
        help='how many samples to show (default: the first 12 of a training, and one of each task '
        'that is not among them)',
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Draw the picture."""
    out = args.out or Path('work_dirs') / Path(args.config).stem / 'data.png'
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f'--out {out}: the name must end in {", ".join(SUFFIXES)}.')

    from rich.console import Console

    from irbox.config.load_config import load_config
    from irbox.utils.contact_sheet import contact_sheet
    from irbox.utils.files import check_writable

    check_writable(out.parent)
    config = load_config(args.config, args.cfg_options, sections=['train_dataloader'])
    if 'train_dataloader' not in config:
        raise ValueError(f'{args.config} has no train_dataloader, so there is nothing to show.')
    samples = draw_samples(config, args.num or NUMBER, every_task=args.num is None)
    cells = [cell for sample in samples for cell in picture_and_caption(sample)]
    # Two samples beside each other.
    rows = [cells[start : start + 4] for start in range(0, len(cells), 4)]
    sheet = contact_sheet(
        [[picture for picture, _ in row] for row in rows],
        [[caption for _, caption in row] for row in rows],
        ['degraded', 'clean'] * (len(rows[0]) // 2),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)
    Console().print(f'{len(samples)} samples: {out}', highlight=False, soft_wrap=True)


def draw_samples(config: Any, number: int, every_task: bool = False) -> list[dict[str, Any]]:
    """Draw the first samples that a training with this config would see, from its own loader.

    Args:
        config: As ``load_config`` gives it.
        number: How many.
        every_task: Add one sample of each task that is not among them.
    """
    from irbox.engine import compat
    from irbox.engine.sections import build_loader, settle_seed

    compat.init()
    settle_seed(config)
    loader = build_loader(config, 'train_dataloader', training=True)
    samples = (
        {key: values[index] for key, values in batch.items()}
        for batch in loader
        for index in range(len(batch['image']))
    )
    drawn = list(islice(samples, number))
    if every_task:
        counts = getattr(loader.dataset, 'task_counts', {})
        seen = {sample['label'] for sample in drawn}
        missing = [label for label, count in counts.items() if count and label not in seen]
        drawn += _one_of_each(missing, loader.dataset, samples)
    return drawn


def _one_of_each(
    labels: list[str], dataset: Any, samples: Iterator[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Give a sample of each label: the first that is listed, or the next that is drawn."""
    if hasattr(dataset, 'pairs'):
        first = {pair.label: index for index, pair in reversed(list(enumerate(dataset.pairs)))}
        return [dataset[first[label]] for label in labels]
    found: dict[str, dict[str, Any]] = {}
    for sample in islice(samples, SEARCHED if labels else 0):
        if sample['label'] in labels:
            found.setdefault(sample['label'], sample)
        if len(found) == len(labels):
            break
    return [found[label] for label in labels if label in found]


def picture_and_caption(sample: dict[str, Any]) -> list[tuple[Any, str]]:
    """Give the degraded and the clean image of a sample, as arrays, with their captions."""
    import numpy as np
    from PIL import Image

    def shown(image: Any) -> np.ndarray:
        # Noise may reach beyond black and white.
        picture = Image.fromarray(np.rint(255 * image.clip(0, 1)).astype(np.uint8))
        scale = SHOWN_SIZE / max(picture.size)
        # Whole factors and no smoothing: pixels of a crop stay what they are.
        scale = int(scale) if scale >= 1 else scale
        size = [max(1, round(side * scale)) for side in picture.size]
        method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
        return np.asarray(picture.resize(size, method), dtype=np.float32) / 255

    degraded, clean = (sample[key].numpy().transpose(1, 2, 0) for key in ('image', 'target'))
    error = float(np.mean((degraded.astype(np.float64) - clean) ** 2))
    psnr = f'{-10 * np.log10(error):.1f} dB' if error else 'equal'
    height, width = clean.shape[:2]
    return [
        (shown(degraded), f'{sample["label"]}, {psnr}'),
        (shown(clean), f'{sample["name"]}, {width}x{height}'),
    ]
