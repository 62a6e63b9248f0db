"""Results: rows of scores, printed as a table and written as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from irbox.evaluation.tasks import MEAN

if TYPE_CHECKING:
    from rich.table import Table

SCORES = ('input_psnr', 'input_ssim', 'psnr', 'ssim')


@dataclass(frozen=True)
class Row:
    """The scores of one task, or their mean."""

    task: str
    protocol: str
    input_psnr: float
    """Of the degraded images, in decibels."""
    input_ssim: float
    psnr: float
    """Of the restored images, in decibels."""
    ssim: float

    @property
    def gain(self) -> float:
        """Decibels that restoring gained."""
        return self.psnr - self.input_psnr


def to_rows(metrics: Mapping[str, float], protocol: str) -> list[Row]:
    """Rows from metrics as the evaluation loops return them: ``{task}/psnr`` and so on.

    The order is kept; tasks without all four scores have no row.
    """
    tasks = list(dict.fromkeys(name.rpartition('/')[0] for name in metrics))
    return [
        Row(task, protocol, *(float(metrics[f'{task}/{score}']) for score in SCORES))
        for task in tasks
        if all(f'{task}/{score}' in metrics for score in SCORES)
    ]


def results_table(rows: Sequence[Row], title: str = '') -> Table:
    """A table for the terminal, the mean in its last line."""
    from rich.table import Table

    table = Table(title=title or None)
    table.add_column('task')
    for name in ('input PSNR', 'input SSIM', 'PSNR', 'SSIM', 'gain'):
        table.add_column(name, justify='right')
    table.add_column('protocol')
    for row in rows:
        if row.task == MEAN:
            table.add_section()
        table.add_row(
            row.task,
            f'{row.input_psnr:.2f}',
            f'{row.input_ssim:.4f}',
            f'{row.psnr:.2f}',
            f'{row.ssim:.4f}',
            f'{row.gain:+.2f}',
            row.protocol,
        )
    return table


def write_results(rows: Sequence[Row], path: str | Path) -> None:
    """Write rows as a JSON list of objects; the file appears whole or not at all.

    Scores that are no numbers in JSON (infinite for equal images) become ``null``.
    """
    path = Path(path)
    content = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(row).items()
        }
        for row in rows
    ]
    partial = path.with_name(f'{path.name}.tmp.{os.getpid()}')
    partial.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    os.replace(partial, path)
