"""Importing parts that others wrote: whole or not at all, with errors that say where."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from mmengine.registry import Registry

GROUP = 'irbox.plugins'
"""Entry point group under which an installed package names the module that registers its parts."""

# What this process has tried: why it failed ('' if it did not), and the parts that it brought.
_failures: dict[str, str] = {}
_parts: dict[str, str] = {}


@contextmanager
def importing(
    plugin: str, name: str, source: Path | None, registries: Sequence[Registry]
) -> Iterator[None]:
    """Import a plug-in inside: all its parts are registered, or none and it can be tried again.

    Args:
        plugin: What the user calls it, for the message.
        name: Of the module; it and what it holds are forgotten after a failure.
        source: Its file or folder, to tell its own lines from a library's.
        registries: Where parts register, with irbox's own parts in them already, so that a name
            that both have is the plug-in's mistake.

    Raises:
        ImportError: It raised an error; the message names the file and the line.
    """
    before = [(registry, dict(registry.module_dict)) for registry in registries]
    modules = set(sys.modules)
    try:
        yield
    except (Exception, SystemExit) as error:
        for registry, parts in before:
            registry.module_dict.clear()
            registry.module_dict.update(parts)
        for module in set(sys.modules) - modules:
            if f'{module}.'.startswith(f'{name}.'):
                del sys.modules[module]
        raise _failure(plugin, error, source) from error


def installed_plugins() -> list[EntryPoint]:
    """Find what installed packages offer under ``irbox.plugins``, by name; none is imported."""
    return sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value))


def import_installed(plugin: EntryPoint, registries: Sequence[Registry]) -> None:
    """Import one, once.

    Args:
        plugin: Which.
        registries: As for ``importing``.

    Raises:
        ImportError: See ``importing``.
    """
    key = f'{plugin.name} = {plugin.value}'
    if _failures.get(key) == '':
        return
    before = {(one, part) for one in registries for part in one.module_dict}
    label = f'{plugin.name} (the installed plug-in {_origin(plugin)})'
    try:
        module = plugin.module.partition('.')[0]
        with importing(label, module, source_of(plugin.module), registries):
            plugin.load()
    except ImportError as error:
        _failures[key] = str(error)
        raise
    _failures[key] = ''
    for one in registries:
        for part in one.module_dict:
            if (one, part) not in before:
                _parts[part] = plugin.name


def import_all_installed(registries: Sequence[Registry]) -> list[str]:
    """Import all of them; one that is broken stops nothing.

    Args:
        registries: As for ``importing``.

    Returns:
        What each broken one failed with.
    """
    failures = []
    for plugin in installed_plugins():
        key = f'{plugin.name} = {plugin.value}'
        if key not in _failures:
            try:
                import_installed(plugin, registries)
            except ImportError as error:
                _failures[key] = str(error)
        if _failures[key]:
            failures.append(_failures[key])
    return failures


def part_origins() -> dict[str, str]:
    """Map a part's name to that of the installed plug-in that brought it, for those imported."""
    return dict(_parts)


def installed_plugins_used(config: Any) -> list[str]:
    """Name the installed plug-ins whose parts stand in a config under ``type``."""
    found: set[str] = set()
    if isinstance(config, Mapping):
        name = config.get('type')
        if isinstance(name, str) and name in _parts:
            found.add(_parts[name])
    if isinstance(config, (Mapping, list, tuple)):
        for value in config.values() if isinstance(config, Mapping) else config:
            found.update(installed_plugins_used(value))
    return sorted(found)


def source_of(module: str) -> Path | None:
    """Find a module's file, or the folder of the package that it is in; nothing is imported."""
    try:
        spec = importlib.util.find_spec(module.partition('.')[0])
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    file = Path(spec.origin)
    return file.parent if spec.submodule_search_locations else file


def _origin(plugin: EntryPoint) -> str:
    package = plugin.dist
    return f'{package.name} {package.version}' if package is not None else plugin.value


def _failure(plugin: str, error: BaseException, source: Path | None) -> ImportError:
    """Say where a plug-in failed: at the deepest line of its own, if it has one."""
    if isinstance(error, SyntaxError):
        place = f'{error.filename}, line {error.lineno}'
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if source and _inside(frame.filename, source)]
        place = f'{(own or frames)[-1].filename}, line {(own or frames)[-1].lineno}'
    text = f'{type(error).__name__}: {error}'
    hint = ''
    if isinstance(error, KeyError) and 'already registered' in str(error):
        text = str(error.args[0])
        hint = ' Give the class a name of its own.'
    elif isinstance(error, ModuleNotFoundError) and source is not None:
        folder = source if source.is_dir() else source.parent
        if error.name and (folder / f'{error.name}.py').is_file():
            hint = (
                f' {error.name}.py stands beside it, but plug-ins are imported one by one. Put '
                'both into a folder with an __init__.py, name the folder under plugins, and write '
                f'`from .{error.name} import ...`.'
            )
    elif isinstance(error, SystemExit):
        text = f'it ended the program ({text})'
        hint = " Put what only a script does below `if __name__ == '__main__':`."
    return ImportError(f'plugins: {plugin} could not be imported: {text} ({place}).{hint}')


def _inside(filename: str, source: Path) -> bool:
    return Path(filename).resolve().is_relative_to(source.resolve())
