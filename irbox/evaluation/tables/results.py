"""Results: rows of scores, printed as a table and written as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irbox.evaluation.score_info import ScoreInfo
from irbox.evaluation.tables.tasks import MEAN
from irbox.utils.files import write_text

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
    extra: Mapping[str, float] = field(default_factory=dict)
    """What other metrics say of the restored images, such as ``lpips`` and ``fid``, and of the
    degraded ones, ``input_`` in front."""

    @property
    def gain(self) -> float:
        """Give the decibels that restoring gained; 0 of images that were and are equal."""
        return 0.0 if self.psnr == self.input_psnr else self.psnr - self.input_psnr

    def flat(self) -> dict[str, Any]:
        """Give all of it in one mapping; other metrics' scores stand at the end."""
        content = asdict(self)
        extra: dict[str, Any] = content.pop('extra')
        return content | extra


def to_rows(metrics: Mapping[str, float], protocol: str | Sequence[str]) -> list[Row]:
    """Make rows from metrics as the evaluation loops return them: ``{task}/psnr`` and so on.

    The order is kept; what has no task, or one without all four scores, has no row: see
    ``without_row``.

    Args:
        metrics: Name to value.
        protocol: What the scores follow. Of several, the first has the plain names and the others
            are called ``{task}/psnr@{protocol}`` (``RestorationMetric(qualify=True)``). What other
            metrics say stands in the rows of the first.
    """
    protocols = [protocol] if isinstance(protocol, str) else list(protocol)
    tasks: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        task, _, score = name.rpartition('/')
        tasks.setdefault(task, {})[score] = float(value)
    rows = []
    for number, protocol_name in enumerate(protocols):
        names = [f'{score}@{protocol_name}' if number else score for score in SCORES]
        for task, scores in tasks.items():
            if not all(name in scores for name in names):
                continue
            extra = {
                score: value
                for score, value in scores.items()
                if number == 0 and score not in SCORES and '@' not in score
            }
            input_psnr, input_ssim, psnr, ssim = (scores[name] for name in names)
            rows.append(Row(task, protocol_name, input_psnr, input_ssim, psnr, ssim, extra))
    return rows


def without_row(metrics: Mapping[str, float], rows: Sequence[Row]) -> dict[str, float]:
    """Find what no row holds, such as scores of whole sets from a metric of mmengine's kind."""
    tasks = {row.task for row in rows}
    return {name: value for name, value in metrics.items() if name.rpartition('/')[0] not in tasks}


def results_table(
    rows: Sequence[Row], title: str = '', infos: Mapping[str, ScoreInfo] | None = None
) -> Table:
    """Lay out rows for the terminal, a task per line, the mean in the last.

    Args:
        rows: What to show.
        title: Above it.
        infos: What other metrics declare of their scores.
    """
    from rich.table import Table

    digits = {name: info.digits for name, info in (infos or {}).items()}
    table = Table(title=title or None)
    table.add_column('task')
    extra = list(dict.fromkeys(name for row in rows for name in row.extra))
    for name in ('input PSNR', 'input SSIM', 'PSNR', 'SSIM', 'gain', *extra):
        table.add_column(name, justify='right')
    table.add_column('protocol')
    for number, row in enumerate(rows):
        if row.task == MEAN or (number and rows[number - 1].task == MEAN):
            table.add_section()
        table.add_row(
            row.task,
            f'{row.input_psnr:.2f}',
            f'{row.input_ssim:.4f}',
            f'{row.psnr:.2f}',
            f'{row.ssim:.4f}',
            f'{row.gain:+.2f}',
            *(
                f'{row.extra[name]:.{digits.get(name.removeprefix("input_"), 4)}f}'
                if name in row.extra
                else ''
                for name in extra
            ),
            row.protocol,
        )
    return table


def write_results(rows: Sequence[Row], path: str | Path) -> None:
    """Write rows as a JSON list of objects; the file appears whole or not at all.

    Scores that are no numbers in JSON (infinite for equal images) become ``null``.
    """
    content = [{key: json_number(value) for key, value in row.flat().items()} for row in rows]
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + '\n')


def json_number(value: Any) -> Any:
    """Give the value, or None where it is a number that JSON cannot hold: infinite, or none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
