"""Scores of single images: rows that are written as CSV or Parquet, and read again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irbox.evaluation.tables.score_table import Origin
from irbox.utils.files import atomic_write, write_text
from irbox.utils.optional import require

SUFFIXES = ('.csv', '.parquet')
KEYS = ('task', 'image', 'protocol', 'config', 'checkpoint_sha256')
"""Columns that are no scores."""

Found = tuple[str, str, Mapping[str, float]]
"""Label, name and scores of an image, see ``ImageMetric.images``."""


@dataclass(frozen=True)
class ImageRow:
    """The scores of one image under one protocol."""

    task: str
    image: str
    """Its name in the data set."""
    protocol: str
    scores: Mapping[str, float]
    """Such as ``psnr`` of the restored and ``input_psnr`` of the degraded image."""


def to_image_rows(
    found: Mapping[str, Sequence[Found]],
    tasks: Mapping[tuple[str, str], str],
    protocols: Sequence[str],
) -> list[ImageRow]:
    """Make a row for each protocol and image; other metrics' scores are in the first protocol's.

    Args:
        found: Name of a set to what is known of its images (``MultiLoop.images``).
        tasks: (set, label) to the name of the task.
        protocols: The first has the plain names of scores, the others ``psnr@{protocol}``.
    """
    rows = []
    for number, protocol in enumerate(protocols):
        ending = f'@{protocol}' if number else ''
        for name, images in found.items():
            for label, image, scores in images:
                own = {
                    score.removesuffix(ending): value
                    for score, value in scores.items()
                    if (score.endswith(ending) if ending else '@' not in score)
                }
                rows.append(ImageRow(tasks[name, label], image, protocol, own))
    return rows


def check_image_scores(path: Path) -> None:
    """Refuse a file that ``write_image_scores`` could not write, before anything is computed.

    Raises:
        ValueError: The name ends in neither .csv nor .parquet, or is a folder's.
        ImportError: Parquet needs a package that is missing.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f'{path}: the name of a file of scores must end in .csv or .parquet.')
    if path.is_dir():
        raise ValueError(f'{path} is a folder. Name a file of scores.')
    if path.suffix == '.parquet':
        _parquet()


def write_image_scores(rows: Sequence[ImageRow], origin: Origin, path: Path) -> None:
    """Write a line per row, ``KEYS`` and scores in full; the file appears whole or not at all.

    Args:
        rows: What to write.
        origin: What was measured.
        path: ``.csv``, or ``.parquet`` (extra ``parquet``).

    Raises:
        ValueError, ImportError: See ``check_image_scores``.
    """
    check_image_scores(path)
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    lines: list[dict[str, Any]] = [
        {
            **{'task': row.task, 'image': row.image, 'protocol': row.protocol},
            **{'config': origin.config, 'checkpoint_sha256': origin.sha256},
            **{name: row.scores.get(name) for name in names},
        }
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.csv':
        file = io.StringIO()
        writer = csv.DictWriter(file, [*KEYS, *names], lineterminator='\n')
        writer.writeheader()
        writer.writerows(lines)
        write_text(path, file.getvalue())
        return
    import pyarrow

    columns = {key: [line[key] for line in lines] for key in [*KEYS, *names]}
    with atomic_write(path) as binary:
        _parquet().write_table(pyarrow.table(columns), binary)


def read_image_scores(path: Path) -> tuple[list[ImageRow], str]:
    """Read what ``write_image_scores`` wrote.

    Returns:
        The rows, and what was measured: config and the begin of the checkpoint's sha256.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no scores of images; the message says what is missing.
        ImportError: See ``check_image_scores``.
    """
    check_image_scores(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist. tools/test.py CONFIG CHECKPOINT --per-image FILE writes one.'
        )
    lines = list(_lines(path))
    if not lines:
        raise ValueError(f'{path} holds no image.')
    missing = [key for key in KEYS if key not in lines[0]]
    if missing:
        raise ValueError(
            f'{path} has no column {", ".join(missing)}. Give a file that tools/test.py '
            '--per-image wrote.'
        )
    rows = []
    for number, line in enumerate(lines, 2):
        try:
            scores = {
                str(name): float(value)
                for name, value in line.items()
                if name not in KEYS and value not in ('', None)
            }
        except (TypeError, ValueError) as error:
            raise ValueError(f'{path}, line {number}: {error}.') from error
        rows.append(ImageRow(line['task'], line['image'], line['protocol'], scores))
    first = lines[0]
    return rows, f'{first["config"]} ({first["checkpoint_sha256"][:12]})'


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == '.csv':
        with open(path, newline='', encoding='utf-8') as file:
            yield from csv.DictReader(file)
    else:
        yield from _parquet().read_table(path).to_pylist()


def _parquet() -> Any:
    return require('pyarrow.parquet', package='pyarrow', needed_by='A .parquet file of scores')
