"""Reading configs: always the same way, with messages that say what to change."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mmengine.config import Config

from irbox.config import yaml_handler
from irbox.config.check_config import check_config
from irbox.config.check_nulls import (
    check_null,
    is_named,
    names_at,
    names_set_to_null,
    nulls_of,
)
from irbox.config.plugins import load_plugins
from irbox.config.shipped_configs import find_config
from irbox.config.spread_data_root import spread_data_root
from irbox.utils.plugin_imports import installed_plugins_used

SUFFIXES = ('.py', '.yaml', '.yml', '.json')


def load_config(
    path: str | Path,
    cfg_options: Mapping[str, Any] | None = None,
    *,
    sections: Collection[str] | None = None,
) -> Config:
    """Read a config file with its bases, import its plug-ins and check it.

    Configs are code: a ``.py`` file is run, and what ``plugins`` and ``custom_imports`` name is
    imported.

    Args:
        path: A ``.py``, ``.yaml`` or ``.json`` file, or the name of a config that comes with irbox.
        cfg_options: Values that replace the file's, by dotted key, such as
            ``{'model.network.dim': 24}``. A number addresses an element of a list.
        sections: Top-level keys that the caller uses. Only they are checked closely, which saves
            the imports that the others need; see ``check_config``. All by default.

    Raises:
        FileNotFoundError: The file or one of its bases does not exist.
        ImportError: A plug-in failed.
        ValueError: The file cannot be read, or the check found a mistake.
    """
    path = find_config(path)
    if not path.is_file():
        kind = 'is a folder, not a config file' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'Config {path} {kind}.{_near(path)}')
    if path.suffix not in SUFFIXES:
        raise ValueError(f'Config {path}: the name must end in {", ".join(SUFFIXES)}.')
    yaml_handler.install()
    _refuse_circle(path, ())
    config = _read(path)
    _check_nulls(path, config)
    if cfg_options:
        _apply(config, cfg_options)
    spread_data_root(config)
    if config.get('plugins'):
        # Absolute paths, so that a copy of the config in a work dir finds them, too. A base names
        # its plug-ins relative to itself.
        config.plugins = load_plugins(config.plugins, near=[path, *_all_bases(path)])
    check_config(config, sections)
    used = installed_plugins_used(config.to_dict())
    if used:
        # What a checkpoint says of a run should name everything that it was made of.
        config.plugins = list(dict.fromkeys([*(config.get('plugins') or ()), *used]))
    return config


def config_text(config: Config) -> str:
    """Write the whole config, bases resolved, as YAML that can be read back."""
    return yaml.safe_dump(_plain(config.to_dict()), sort_keys=False, allow_unicode=True)


def _read(path: Path) -> Config:
    try:
        # Guessing would take a standard import inside a .py config for mmengine's lazy dialect.
        return Config.fromfile(path, lazy_import=False)
    except Exception as error:
        culprit = _culprit(path)
        origin = f'Config {path}' if culprit == path else f'Config {path}, in its base {culprit}'
        if isinstance(error, FileNotFoundError):
            missing = _missing_base(culprit)
            if missing is not None:
                raise FileNotFoundError(
                    f'{origin}: the base {missing} does not exist.{_near(missing)}'
                ) from error
        if isinstance(error, AttributeError) and culprit.suffix != '.py':
            raise ValueError(f'{origin}: it must hold keys and values.') from error
        raise ValueError(f'{origin}: {_explain(error)}') from error


def _explain(error: Exception) -> str:
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, 'problem_mark', None)
        line = f' (line {mark.line + 1})' if mark is not None else ''
        problem = getattr(error, 'problem', None) or str(error)
        quoted = (
            ' `{{_base_.name}}` must stand alone and without quotes.'
            if isinstance(error, yaml.parser.ParserError)
            else ''
        )
        return f'not valid YAML: {problem}{line}.{quoted}'
    if isinstance(error, SyntaxError):
        # mmengine parses a copy and raises anew; what Python said is the context.
        first = error.__context__ if isinstance(error.__context__, SyntaxError) else error
        return f'not valid Python: {first.msg} (line {first.lineno}).'
    if isinstance(error, KeyError) and 'Duplicate key' in str(error):
        keys = re.findall(r"'(\w+)'", str(error))
        return (
            f'two of its bases set the same top-level key: {", ".join(sorted(keys))}. '
            'Chain the bases (one inherits from the other) instead of listing both.'
        )
    if isinstance(error, KeyError) and 'exceeds' in str(error):
        return str(error.args[0])
    if isinstance(error, KeyError):
        return f'{{{{_base_...}}}} names {error}, which no base sets.'
    if isinstance(error, TypeError) and 'cannot inherit from base' in str(error):
        return str(error).replace('You may set `_delete_=True`', 'Set `_delete_: true` beside it')
    return f'{type(error).__name__}: {error}'


def _bases(path: Path) -> Iterator[Path]:
    """List the files that a config names under ``_base_``, as far as its text tells."""
    text = path.read_text(encoding='utf-8', errors='replace')
    found = re.search(r'^_base_\s*[:=]\s*(\[[^\]]*\]|[^\n]*(?:\n\s*-[^\n]*)*)', text, re.MULTILINE)
    for name in re.findall(r'[^\s\'",\[\]]+\.(?:py|ya?ml|json)\b', found[1] if found else ''):
        yield path.parent / name


def _all_bases(path: Path) -> Iterator[Path]:
    """List the bases, and theirs."""
    for base in _bases(path):
        if base.is_file():
            yield base
            yield from _all_bases(base)


def _refuse_circle(path: Path, above: tuple[Path, ...]) -> None:
    """Refuse bases that inherit from what inherits from them: reading them would never end."""
    own = path.resolve()
    if own in above:
        chain = ' -> '.join(str(one) for one in (*above[above.index(own) :], own))
        raise ValueError(f'Config {above[0]}: its bases go in a circle: {chain}.')
    for base in _bases(path):
        if base.is_file():
            _refuse_circle(base, (*above, own))


def _culprit(path: Path) -> Path:
    """Find the deepest file of a chain of bases that cannot be read itself."""
    for base in _bases(path):
        if base.is_file():
            try:
                Config.fromfile(base, lazy_import=False)
            except Exception:
                return _culprit(base)
    return path


def _check_nulls(path: Path, config: Config) -> None:
    """Refuse a null that takes nothing away from the bases; a file without any may hold any."""
    nulls = names_set_to_null(config.to_dict())
    if not nulls or not any(_bases(path)):
        return
    # What is null in a base may have taken something away itself, unless that has no base.
    bases = [(_read(base).to_dict(), any(_bases(base))) for base in dict.fromkeys(_all_bases(path))]
    for keys in nulls:
        known = {
            name
            for base, inherits in bases
            for name, value in names_at(base, keys).items()
            if value is not None or not inherits
        }
        check_null(keys, known)


def _missing_base(path: Path) -> Path | None:
    return next((base for base in _bases(path) if not base.is_file()), None)


def _near(path: Path) -> str:
    """Name existing configs that the user may have meant."""
    folders = {folder for folder in (path.parent, Path('configs')) if folder.is_dir()}
    files = {
        str(file)
        for folder in folders
        for pattern in ('*', '*/*', '*/*/*')
        for file in folder.glob(pattern)
        if file.suffix in SUFFIXES
    }
    by_name = {Path(file).name: file for file in sorted(files)}
    near = get_close_matches(path.name, by_name, n=3, cutoff=0.5)
    return f' Did you mean {" or ".join(by_name[name] for name in near)}?' if near else ''


def _apply(config: Config, options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if isinstance(value, str) and value.startswith('{'):
            raise ValueError(
                f'--cfg-options {key}={value}: a mapping cannot be given as text. '
                f'Set its entries one by one, such as {key}.type=Name (and {key}._delete_=True).'
            )
    content = config.to_dict()
    rest = {}
    for key, value in options.items():
        for keys in nulls_of(value, tuple(key.split('.'))):
            if is_named(content, keys):
                check_null(keys, names_at(content, keys))
        parent, _, last = key.rpartition('.')
        owner = _lookup(config, parent) if parent else None
        # mmengine's merge cannot replace a number in a list.
        if isinstance(owner, list) and last.isdigit() and int(last) < len(owner):
            owner[int(last)] = value
        else:
            rest[key] = value
    try:
        config.merge_from_dict(rest)
    except Exception as error:
        given = ' '.join(f'{key}={value}' for key, value in rest.items())
        raise ValueError(f'--cfg-options {given}: {_explain(error)}') from error


def _lookup(config: Any, key: str) -> Any:
    """Look up the value at a dotted key, or None."""
    for part in key.split('.'):
        if isinstance(config, list):
            config = config[int(part)] if part.isdigit() and int(part) < len(config) else None
        else:
            config = config.get(part) if isinstance(config, (Mapping, Config)) else None
    return config


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def check_sections(config: Config, *sections: str) -> None:
    """Refuse a config without the sections that somebody needs.

    Raises:
        ValueError: One is not there, or ``null``.
    """
    for name in sections:
        if config.get(name) is None:
            raise ValueError(f'{config.filename} has no `{name}`, which is needed here.')
