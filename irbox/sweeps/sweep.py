"""A table of rows, each of which changes one base config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from mmengine.config import Config

from irbox.config.load_config import load_config
from irbox.config.plugins import load_plugins
from irbox.config.yaml_handler import UniqueKeyLoader
from irbox.registry import suggest

SWEEP_KEYS = ('title', 'source', 'bases', 'seeds', 'score', 'rows', 'notes', 'resources')
ROW_KEYS = (
    'name',
    'label',
    'config',
    'checkpoint',
    'options',
    'options_on',
    'published',
    'resources',
)
SCORES = ('psnr', 'gain')
PUBLISHED = ('psnr', 'ssim')
# Names of rows become names of folders.
NAME = re.compile(r'[A-Za-z0-9][\w.-]*')


@dataclass(frozen=True)
class Row:
    """One row: what it changes, and what its paper printed."""

    name: str
    """Its runs are in folders of this name; rows of several tables may share them."""
    label: str
    """What the table calls it."""
    config: Path | None = None
    """A config: what it says beside ``_base_`` is merged over the base."""
    checkpoint: Path | None = None
    """Weights that are there already, such as published ones: the row is tested, not trained."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values by dotted key."""
    options_on: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)
    """Base -> further values by dotted key, where that base needs others than the rest."""
    published: Mapping[str, float] = field(default_factory=dict)
    """``psnr`` and ``ssim`` that a paper printed."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """What a job of this row asks a cluster for, in submitit's words."""


@dataclass(frozen=True)
class Sweep:
    """A table of rows; read from a file by ``read_sweep``."""

    path: Path
    title: str
    rows: tuple[Row, ...]
    bases: Mapping[str, Path]
    """Name -> config that the rows change, the default first. Empty: each row is a config."""
    seeds: tuple[int, ...]
    score: Literal['psnr', 'gain']
    """What the table shows: decibels, or decibels gained over the degraded image."""
    source: str
    """Where the published values come from."""
    notes: Mapping[str, str]
    """What must be said under the table, by the name of the base."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """What a job of any row asks a cluster for; a row's own win."""

    def find_base(self, given: str | None) -> tuple[str, Path | None]:
        """Find name and file of the base that is meant.

        Args:
            given: A name from ``bases``, a config file, or None for the default.

        Raises:
            ValueError: There is no such base, or the rows are configs of their own.
        """
        if given is None:
            return next(iter(self.bases.items()), ('', None))
        if not self.bases:
            raise ValueError(f'--base {given}: the rows of {self.path} stand on their own.')
        if given in self.bases:
            return given, self.bases[given]
        if Path(given).is_file():
            # Rows' options for a base are found by its path as it is listed.
            for name, path in self.bases.items():
                if path.is_file() and path.samefile(given):
                    return name, path
            return Path(given).stem, Path(given)
        raise ValueError(
            f'--base {given} is neither a file nor a base of {self.path}. '
            f'{suggest(given, self.bases)}'
        )

    def choose(self, names: list[str] | None) -> tuple[Row, ...]:
        """Give the rows of these names, all by default.

        Raises:
            ValueError: There is no such row.
        """
        known = [row.name for row in self.rows]
        for name in names or ():
            if name not in known:
                raise ValueError(f'--rows {name}: no row is called so. {suggest(name, known)}')
        return tuple(row for row in self.rows if not names or row.name in names)


def resolve(row: Row, base: Path | None, options: Mapping[str, Any]) -> Config:
    """Give the config of a row, complete and checked.

    Args:
        row: From a sweep.
        base: What the row changes; None for a row that stands on its own.
        options: Values by dotted key that win over the row's.

    Raises:
        ValueError, FileNotFoundError, ImportError: See ``load_config``.
    """
    try:
        if base is None:
            assert row.config is not None
            return load_config(row.config, {**row.options, **options})
        change = read_change(row.config) if row.config else {}
        if change.get('plugins'):
            # They are named as seen from the row's file, not from the base.
            change['plugins'] = load_plugins(change['plugins'], near=row.config)
        return load_config(
            base, {**change, **row.options, **row.options_on.get(base, {}), **options}
        )
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f'Row {row.name}: {error}') from error


def read_change(path: Path) -> dict[str, Any]:
    """Read what a config file says itself, its ``_base_`` left out.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no YAML mapping.
    """
    return {key: value for key, value in read_mapping(path).items() if key != '_base_'}


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no YAML mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist.')
    if path.suffix not in ('.yaml', '.yml'):
        raise ValueError(f'{path}: this must be a YAML file.')
    try:
        content = yaml.load(path.read_text(encoding='utf-8'), UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not valid YAML: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} must hold a mapping.')
    return content
