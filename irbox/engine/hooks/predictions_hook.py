"""Pictures of what a test restored."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object, get_rank, is_main_process
from mmengine.hooks import Hook
from PIL import Image
from torch import Tensor

from irbox.evaluation import score
from irbox.registry import HOOKS
from irbox.utils.bounded import PositiveInt
from irbox.utils.contact_sheet import contact_sheet
from irbox.utils.files import rename

CHOICE = 3

# Degraded, restored and clean, (H, W, 3) in 0 to 1, and a text for each.
_Sample = tuple[list[np.ndarray], list[str]]


@HOOKS.register_module()
class PredictionsHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Writes restored images and a contact sheet of degraded, restored and clean ones.

    Args:
        out_dir: Folder for the restored images, 8-bit PNG files ``{task}_{name}.png``; none by
            default.
        sheet: File for the sheet; none by default.
        rows_per_task: Images of each task on the sheet. The tasks take turns with a set's first few
            images, so that not all show the same one.
        protocol: Of the scores under the images.
    """

    def __init__(
        self,
        out_dir: str | Path | None = None,
        sheet: str | Path | None = None,
        rows_per_task: PositiveInt = 1,
        protocol: str = 'aio',
    ) -> None:
        self.out_dir = Path(out_dir) if out_dir is not None else None
        self.sheet = Path(sheet) if sheet is not None else None
        self.rows_per_task = rows_per_task
        self.protocol = protocol
        self.written: list[tuple[Path, tuple[str, str], str]] = []
        self.samples: dict[tuple[str, str], list[_Sample]] = defaultdict(list)

    def before_test(self, runner: Any) -> None:
        """Make room for the files."""
        for folder in (self.out_dir, self.sheet.parent if self.sheet else None):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)

    def after_test_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Write or keep what was restored."""
        for sample in outputs or ():
            key = (runner.test_loop.current_set, sample['label'])
            if self.out_dir is not None:
                # The name of the task is known only when all sets have been seen. Several processes
                # may share an image: sets are filled up so that all have as many.
                path = self.out_dir / f'.{get_rank()}_{len(self.written)}.png'
                _to_image(sample['restored']).save(path)
                self.written.append((path, key, sample['name']))
            if self.sheet is not None and len(self.samples[key]) < CHOICE + self.rows_per_task:
                self.samples[key].append(self._keep(sample))

    def after_test(self, runner: Any) -> None:
        """Give the files their names, and draw the sheet."""
        tasks = runner.test_loop.tasks
        names = [f'{tasks[key]}_{name}' for _, key, name in self.written]
        final = _distinct(itertools.chain.from_iterable(all_gather_object(names)))
        for (path, _, _), name in zip(self.written, names, strict=True):
            rename(path, path.with_name(f'{final[name]}.png'))
        if self.sheet is not None and is_main_process():
            self._draw(self.sheet, tasks)

    def _keep(self, sample: dict[str, Any]) -> _Sample:
        target = sample['target'][None]
        before, after = (
            score(sample[which][None], target, self.protocol)['psnr'].item()
            for which in ('image', 'restored')
        )
        name = sample['name'].removesuffix(f'_{sample["label"]}')
        images = [_pixels(sample[which]) for which in ('image', 'restored', 'target')]
        return images, [f'{name}: {before:.2f} dB', f'{after:.2f} dB ({after - before:+.2f})', '']

    def _draw(self, path: Path, tasks: dict[tuple[str, str], str]) -> None:
        rows, captions = [], []
        for turn, (key, samples) in enumerate(self.samples.items()):
            for index in range(min(self.rows_per_task, len(samples))):
                images, (first, *others) = samples[(turn + index) % len(samples)]
                rows.append(images)
                captions.append([f'{tasks[key]}, {first}', *others])
        contact_sheet(rows, captions, ['degraded', 'restored', 'clean']).save(path)


def _distinct(names: Iterable[str]) -> dict[str, str]:
    """Give each name one for a file, numbered where several would have the same."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        alike[re.sub(r'[^\w.-]', '_', name)].append(name)
    given = {own: safe for safe, several in alike.items() for own in several[:1]}
    for safe, several in alike.items():
        numbers = itertools.count(2)
        for own in several[1:]:
            taken = set(given.values())
            free = (f'{safe}_{number}' for number in numbers)
            given[own] = next(one for one in free if one not in taken)
    return given


def _pixels(image: Tensor) -> np.ndarray:
    """(3, H, W) in 0 to 1 as (H, W, 3)."""
    return image.detach().float().clamp(0, 1).cpu().permute(1, 2, 0).numpy()


def _to_image(image: Tensor) -> Image.Image:
    return Image.fromarray(np.rint(_pixels(image) * 255).astype(np.uint8))
