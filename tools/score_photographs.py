"""Score a model, and the classical remedies, on whole photographs, task by task.

``python tools/score_photographs.py --model CHECKPOINT`` prints one table: the test on photographs
that were held out, by every bar of the shipped model: gains in dB and SSIM, a clean photograph, a
photograph restored twice. ``--photographs training`` is for choosing between candidates. The data
are those of ``configs/_base_/datasets/whole_photographs.yaml``.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import yaml
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from irbox.commands.make_scenes import SUFFIXES
from irbox.commands.model_options import add_offline
from irbox.commands.written_files import check_written_files, written_file
from irbox.config.command_line import run_tool
from irbox.evaluation import center_crop, score
from irbox.evaluation.classical import REMEDIES, Remedy, Setting, tune
from irbox.evaluation.protocols import find_protocol
from irbox.registry import DATASETS
from irbox.utils.contact_sheet import contact_sheet
from irbox.utils.files import write_text

CONFIG = Path(__file__).resolve().parents[1] / 'configs/_base_/datasets/whole_photographs.yaml'
SECTIONS = {'reserved': 'test_dataloader', 'training': 'val_dataloader'}
PROTOCOL = 'aio'
DEMO = ('haze', 'rain', 'snow', 'noise', 'low_light')
OTHERS = ('motion_blur', 'defocus', 'jpeg', 'raindrops')
CLEAN = 'clean'

Restore = Callable[[Tensor], Tensor]
"""(1, 3, H, W) in 0 to 1 -> the same."""


@dataclass
class Scores:
    """Of one task: a number for each image."""

    input_psnr: list[float] = field(default_factory=list)
    input_ssim: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    """PSNR after restoring what was restored, and kept in 8 bits, once more."""

    @property
    def gain(self) -> float:
        """Give the mean gain in decibels."""
        return mean_difference(self.input_psnr, self.psnr)

    @property
    def ssim_gain(self) -> float:
        """Give the mean gain in SSIM."""
        return fmean(self.ssim) - fmean(self.input_ssim)

    @property
    def loss(self) -> float | None:
        """Give what the second restoration loses, in decibels."""
        return mean_difference(self.again, self.psnr) if self.again else None


def mean_difference(first: Sequence[float], second: Sequence[float]) -> float:
    """Give the mean of second less first; two infinities, of equal pictures, differ by 0."""
    return fmean(0.0 if a == b else b - a for a, b in zip(first, second, strict=True))


def finite_mean(values: Sequence[float]) -> float:
    """Give the mean of those that are finite; infinity where none is: all pictures are equal."""
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else math.inf


def samples(dataset: Any, tasks: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Give the samples of some tasks, cut as the protocol says."""
    multiple = find_protocol(PROTOCOL).crop_multiple
    each = len(dataset) // len(dataset.labels)
    for number, label in enumerate(dataset.labels):
        if tasks is None or label in tasks:
            for index in range(number * each, (number + 1) * each):
                sample = dataset[index]
                cut = {key: center_crop(sample[key][None], multiple) for key in ('image', 'target')}
                yield sample | cut


def measure(
    restore: Restore, dataset: Any, tasks: Sequence[str] | None = None, twice: bool = False
) -> dict[str, Scores]:
    """Score a way of restoring, by task."""
    found: dict[str, Scores] = defaultdict(Scores)
    for sample in samples(dataset, tasks):
        image, target = sample['image'], sample['target']
        restored = restore(image)
        scores = found[sample['label']]
        for prefix, one in (('input_', image), ('', restored)):
            for name, value in score(one, target, PROTOCOL).items():
                getattr(scores, prefix + name).append(value.item())
        if twice:
            again = restore((restored.clamp(0, 1) * 255).round() / 255)
            scores.again.append(score(again, target, PROTOCOL)['psnr'].item())
    return dict(found)


def draw_sheet(restore: Restore, dataset: Any, tasks: Sequence[str] | None) -> Image.Image:
    """Draw a picture of each task at half its size; the photographs take turns."""
    rows, captions = [], []
    each, place = len(dataset) // len(dataset.labels), list(dataset.labels).index
    for task in tasks or dataset.labels:
        turn = place(task) % len(dataset.names)
        sample = dataset[place(task) * each + turn * dataset.draws]
        image, target = sample['image'][None], sample['target'][None]
        pictures = {'degraded': image, 'restored': restore(image), 'clean': target}
        texts = [score(one, target, PROTOCOL)['psnr'].item() for one in pictures.values()]
        captions.append([f'{task}: {texts[0]:.1f} dB', f'{texts[1]:.1f} dB', ''])
        halves = [F.interpolate(one, scale_factor=0.5, mode='area') for one in pictures.values()]
        rows.append([one[0].permute(1, 2, 0).numpy() for one in halves])
    return contact_sheet(rows, captions, ['degraded', 'restored', 'clean'])


def as_restore(remedy: Remedy, setting: Setting) -> Restore:
    """Turn a remedy for arrays into one for tensors."""

    def restore(image: Tensor) -> Tensor:
        array = image[0].permute(1, 2, 0).numpy()
        return torch.from_numpy(remedy.restore(array, **setting).transpose(2, 0, 1).copy())[None]

    return restore


def score_remedies(
    dataset: Any, tuned_on: Any, tasks: Sequence[str] | None
) -> dict[str, dict[str, tuple[Setting, Scores]]]:
    """Tune each remedy on some photographs, and score it on others: task to name to both."""
    found: dict[str, dict[str, tuple[Setting, Scores]]] = {}
    for task, remedies in REMEDIES.items():
        if (tasks is not None and task not in tasks) or task not in dataset.labels:
            continue
        pairs = [
            tuple(one[key][0].permute(1, 2, 0).numpy() for key in ('image', 'target'))
            for one in samples(tuned_on, [task])
        ]
        found[task] = {}
        for remedy in remedies:
            setting, _ = tune(remedy, pairs)
            scores = measure(as_restore(remedy, setting), dataset, [task])[task]
            found[task][remedy.name] = setting, scores
            print(
                f'{task}: {remedy.name} {_words(setting)}: {scores.gain:+.2f} dB', file=sys.stderr
            )
    return found


def model_table(
    scores: Mapping[str, Scores],
    remedies: Mapping[str, Mapping[str, tuple[Setting, Scores]]],
) -> list[str]:
    """Write a line for each task: the model's gains, and the best remedy's."""
    lines = [
        '| task | input PSNR | PSNR | gain, dB | gain, SSIM | twice loses | best classical, dB |',
        '|---|---|---|---|---|---|---|',
    ]
    for task, one in scores.items():
        loss = '' if one.loss is None else f'{one.loss:.2f}'
        equal, psnr = one.psnr.count(math.inf), f'{finite_mean(one.psnr):.2f}'
        if 0 < equal < len(one.psnr):
            psnr += f', and {equal} of {len(one.psnr)} equal'
        tried = remedies.get(task, {})
        rival = max(tried, key=lambda name: tried[name][1].gain, default=None)
        classical = '' if rival is None else f'{tried[rival][1].gain:+.2f} ({rival})'
        gains = ('', '') if task == CLEAN else (f'{one.gain:+.2f}', f'{one.ssim_gain:+.3f}')
        given = '' if task == CLEAN else f'{fmean(one.input_psnr):.2f}'
        cells = (task, given, psnr, *gains, loss, classical)
        lines.append(f'| {" | ".join(cells)} |')
    return lines


def bars(
    scores: Mapping[str, Scores],
    remedies: Mapping[str, Mapping[str, tuple[Setting, Scores]]],
) -> list[str]:
    """Write whether each bar of the shipped model is met, of those that were measured."""
    mixtures = [task for task in scores if task not in (*DEMO, *OTHERS, CLEAN)]
    checks: list[tuple[str, float, float, bool]] = []

    def at_least(text: str, value: float, bar: float) -> None:
        checks.append((text, value, bar, value >= bar))

    if all(task in scores for task in DEMO):
        at_least('five tasks of the demo: mean gain', fmean(scores[t].gain for t in DEMO), 6)
        at_least('the least of them', min(scores[t].gain for t in DEMO), 2.5)
        at_least('their least gain of SSIM', min(scores[t].ssim_gain for t in DEMO), 0)
    if all(task in scores for task in OTHERS):
        at_least(f'{", ".join(OTHERS)}: least gain', min(scores[t].gain for t in OTHERS), 0.5)
    if mixtures:
        at_least('mixtures of two: mean gain', fmean(scores[t].gain for t in mixtures), 4)
    for task, tried in remedies.items():
        if task in scores:
            best = max(one.gain for _, one in tried.values())
            at_least(f'{task}: gain, against the best classical', scores[task].gain, best)
    if CLEAN in scores:
        at_least('clean photographs: PSNR', finite_mean(scores[CLEAN].psnr), 38)
    if losses := [one.loss for one in scores.values() if one.loss is not None]:
        checks.append(('restored twice: largest loss', max(losses), 0.3, max(losses) <= 0.3))
    lines = ['| bar | measured | wanted | met |', '|---|---|---|---|']
    return lines + [
        f'| {text} | {value:.2f} | {bar:.2f} | {"yes" if met else "NO"} |'
        for text, value, bar, met in checks
    ]


def remedy_table(remedies: Mapping[str, Mapping[str, tuple[Setting, Scores]]]) -> list[str]:
    """Write a line for each task and remedy."""
    lines = [
        '| task | remedy | setting | input PSNR | PSNR | gain, dB | gain, SSIM |',
        '|---|---|---|---|---|---|---|',
    ]
    for task, tried in remedies.items():
        for name, (setting, one) in tried.items():
            lines.append(
                f'| {task} | {name} | {_words(setting)} | {fmean(one.input_psnr):.2f} '
                f'| {fmean(one.psnr):.2f} | {one.gain:+.2f} | {one.ssim_gain:+.3f} |'
            )
    return lines


def _words(setting: Setting) -> str:
    return ', '.join(f'{name} {value:g}' for name, value in setting.items())


def _dataset(photographs: str, **changes: Any) -> Any:
    content = yaml.safe_load(CONFIG.read_text(encoding='utf-8'))
    return DATASETS.build(content[SECTIONS[photographs]]['dataset'] | changes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--model', help='a checkpoint, a folder or a name, as irbox.load takes it')
    parser.add_argument('--config', help='of a checkpoint that holds none')
    add_offline(parser)
    parser.add_argument('--precision', default='fp32', help='fp32 (default), bf16 or auto')
    parser.add_argument('--classical', action='store_true', help='the classical remedies as well')
    parser.add_argument('--photographs', choices=sorted(SECTIONS), default='reserved')
    parser.add_argument('--tasks', nargs='+', help='these alone')
    parser.add_argument('--draws', type=int, default=3, help='degradations of each photograph')
    parser.add_argument('--longest-side', type=int, default=512, help='of the photographs')
    parser.add_argument('--sheet', type=written_file, help='draw each task to a .png or .jpg')
    parser.add_argument('--out', type=written_file, help='write the tables to this file, too')
    options = parser.parse_args(arguments)
    if not options.model and not options.classical:
        parser.error('name a --model, or ask for --classical, or both')
    check_written_files(parser, options)
    if options.sheet and not options.model:
        parser.error(f'--sheet {options.sheet}: it shows what a --model restores, so name one')
    if options.sheet and options.sheet.suffix.lower() not in SUFFIXES:
        parser.error(f'--sheet {options.sheet}: the name must end in {", ".join(SUFFIXES)}')
    size = {'longest_side': options.longest_side}
    dataset = _dataset(options.photographs, draws=options.draws, **size)
    if unknown := set(options.tasks or ()) - set(dataset.labels):
        parser.error(f'--tasks: no {sorted(unknown)[0]!r} among {", ".join(dataset.labels)}')
    lines = [f'Photographs: {", ".join(dataset.names)}; {options.draws} draws; {PROTOCOL}.', '']
    remedies = {}
    if options.classical:
        tuned_on = _dataset('training', draws=1, **size)
        remedies = score_remedies(dataset, tuned_on, options.tasks)
        lines += [*remedy_table(remedies), '']
    if options.model:
        import irbox

        what = (options.config, options.model) if options.config else options.model
        model = irbox.load(what, precision=options.precision, offline=options.offline)
        print(model, file=sys.stderr)
        scores = measure(model, dataset, options.tasks, twice=True)
        lines += [f'{model!r}', '', *model_table(scores, remedies), '', *bars(scores, remedies), '']
    text = '\n'.join(lines)
    print(text)
    for path in filter(None, (options.out, options.sheet)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.out:
        write_text(options.out, text)
    if options.sheet:
        draw_sheet(model, dataset, options.tasks).save(options.sheet)


if __name__ == '__main__':
    run_tool(main)
