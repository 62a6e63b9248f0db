"""What every analysis writes: figures, numbers, and where they come from."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irbox.analysis.figure import save_figure
from irbox.utils.files import check_writable, write_text
from irbox.utils.shown import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]
PACKAGES = ('numpy', 'torch', 'matplotlib', 'scikit-learn')


class Output:
    """Writes into one folder, and at the end says how everything in it was made.

    Args:
        folder: Made where it is missing.
        analysis: Its name.
        origin: What was analyzed, by name: config, checkpoint, digests, data, seeds and settings.

    Raises:
        PermissionError: The folder cannot be written to.
    """

    def __init__(self, folder: Path, analysis: str, origin: Mapping[str, Any]) -> None:
        check_writable(folder)
        self.folder, self.analysis, self.origin = folder, analysis, origin
        self.files: list[str] = []

    def figure(self, figure: Figure, name: str) -> None:
        """Write a figure as PNG, PDF and SVG."""
        self.files += [path.name for path in save_figure(figure, self.folder / name)]

    def unused(self, name: str) -> str:
        """Give a name of a figure; with a number where one of an equal name was written before."""
        number, found = 1, name
        while f'{found}.png' in self.files:
            number += 1
            found = f'{name}_{number}'
        return found

    def rows(self, rows: Rows, name: str) -> None:
        """Write rows of numbers as CSV, under the columns of all rows in their order."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator='\n')
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _plain(value) for key, value in row.items()})
        self.text(text.getvalue(), f'{name}.csv')

    def numbers(self, content: Any, name: str) -> None:
        """Write numbers as JSON; what is not finite is null."""
        self.text(json.dumps(_plain(content), indent=2, allow_nan=False) + '\n', f'{name}.json')

    def text(self, text: str, name: str) -> None:
        """Write a text file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / name, text)
        self.files.append(name)

    def finish(self, environment: Mapping[str, Any]) -> Path:
        """Write ``provenance.json``: the command, versions, what was analyzed, and the files."""
        content = {
            'analysis': self.analysis,
            'command': shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            'versions': {**environment, **_versions()},
            **self.origin,
            'files': sorted(self.files),
        }
        path = self.folder / 'provenance.json'
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(_plain(content), indent=2) + '\n')
        return path


def file_name(text: str) -> str:
    """Make a name of an image one of a file."""
    return ''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in shown(text))


def digests(paths: Iterable[Path]) -> list[dict[str, str]]:
    """Say which files an analysis read, for its origin: each path and the sha256 of its content."""
    found = []
    for path in paths:
        with open(path, 'rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
        found.append({'path': str(path), 'sha256': digest})
    return found


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = 'not installed'
    return found


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and mappings alone; None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if hasattr(value, 'tolist'):  # of numpy and torch
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
