"""Parts that live outside the package."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path


def load_plugins(plugins: Iterable[str | Path], near: str | Path | None = None) -> list[str]:
    """Import what a config lists under ``plugins``, each once.

    Args:
        plugins: Python files, folders (a package, or all the ``*.py`` files in it whose names do
            not begin with an underscore), or dotted names of importable modules.
        near: A config file. Relative paths are looked for beside it, in the folders above it, and
            in the current folder, in this order.

    Returns:
        The plug-ins, as they can be found from anywhere: paths are absolute.

    Raises:
        FileNotFoundError: There is no such file, folder or module.
        ImportError: The plug-in raised an error; the message names the file and the line.
        ValueError: ``plugins`` is no list of names.
    """
    if isinstance(plugins, (str, Path)) or not isinstance(plugins, Iterable):
        raise ValueError(
            f'plugins={plugins!r} must be a list, such as [plugins/fourier_expert.py].'
        )
    loaded = []
    for plugin in plugins:
        if not isinstance(plugin, (str, Path)) or not str(plugin):
            raise ValueError(f'plugins: {plugin!r} is neither a path nor the name of a module.')
        loaded.append(_load(str(plugin), near))
    return loaded


def _load(plugin: str, near: str | Path | None) -> str:
    if '/' not in plugin and not plugin.endswith('.py') and _find(plugin, near) is None:
        _import_name(plugin)
        return plugin
    path = _find(plugin, near)
    if path is None:
        tried = ', '.join(str(folder / plugin) for folder in _folders(near))
        raise FileNotFoundError(f'plugins: {plugin!r} was not found. Tried: {tried}.')
    if path.is_file():
        _import_file(path)
    elif (path / '__init__.py').is_file():
        _import_file(path / '__init__.py')
    else:
        files = sorted(file for file in path.glob('*.py') if not file.name.startswith('_'))
        if not files:
            raise FileNotFoundError(f'plugins: the folder {path} holds no *.py file.')
        for file in files:
            _import_file(file)
    return str(path)


def _folders(near: str | Path | None) -> Sequence[Path]:
    folders = list(Path(near).absolute().parents) if near is not None else []
    return list(dict.fromkeys([*folders, Path.cwd()]))


def _find(plugin: str, near: str | Path | None) -> Path | None:
    path = Path(plugin).expanduser()
    candidates = [path] if path.is_absolute() else [folder / path for folder in _folders(near)]
    return next((found.resolve() for found in candidates if found.exists()), None)


def _import_name(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f'{name}.'.startswith(f'{error.name}.'):
            raise _failure(name, error) from error
        raise FileNotFoundError(
            f'plugins: {name!r} is neither a file or folder nor an installed module.'
        ) from error
    except Exception as error:
        raise _failure(name, error) from error


def _import_file(path: Path) -> None:
    # A file imported under a second name would register its parts a second time, which registries
    # refuse.
    if any(getattr(module, '__file__', None) == str(path) for module in list(sys.modules.values())):
        return
    package = path.name == '__init__.py'
    stem = path.parent.name if package else path.stem
    name = f'irbox_plugin_{stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}'
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f'plugins: {path} is no Python file.')
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failure(str(path), error) from error


def _failure(plugin: str, error: Exception) -> ImportError:
    """Say where a plug-in failed: at the deepest line that is its author's or a library's own."""
    if isinstance(error, SyntaxError):
        place = f'{error.filename}, line {error.lineno}'
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f'{frame.filename}, line {frame.lineno}'
    return ImportError(
        f'plugins: {plugin} could not be imported: {type(error).__name__}: {error} ({place}).'
    )
