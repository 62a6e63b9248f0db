"""Parts that live outside the package."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from irbox.registry import our_registries
from irbox.utils.plugin_imports import (
    GROUP,
    import_installed,
    importing,
    installed_plugins,
    source_of,
)


def load_plugins(
    plugins: Iterable[str | Path], near: str | Path | Sequence[str | Path] | None = None
) -> list[str]:
    """Import what a config lists under ``plugins``, each once.

    Args:
        plugins: Python files, folders (a package, or all the ``*.py`` files in it whose names do
            not begin with an underscore), names of installed plug-ins (entry points of the group
            ``irbox.plugins``), or dotted names of importable modules; tried in this order.
        near: A config file, or several. Relative paths are looked for beside each and in the
            folders above it, and in the current folder, in this order.

    Returns:
        The plug-ins, as they can be found from anywhere: paths are absolute.

    Raises:
        FileNotFoundError: There is no such file, folder or module.
        ImportError: The plug-in raised an error; the message names the file and the line. Nothing
            of it is registered then.
        ValueError: ``plugins`` is no list of names.
    """
    if isinstance(plugins, (str, Path)) or not isinstance(plugins, Iterable):
        raise ValueError(
            f'plugins={plugins!r} must be a list, such as [plugins/fourier_expert.py].'
        )
    configs = [near] if isinstance(near, (str, Path)) else list(near or ())
    loaded = []
    for plugin in plugins:
        if not isinstance(plugin, (str, Path)) or not str(plugin):
            raise ValueError(f'plugins: {plugin!r} is neither a path nor the name of a module.')
        loaded.append(_load(str(plugin), configs))
    return loaded


def _load(plugin: str, near: Sequence[str | Path]) -> str:
    path = _find(plugin, near)
    if path is None:
        if '/' in plugin or plugin.endswith('.py'):
            tried = ', '.join(str(folder / plugin) for folder in _folders(near))
            raise FileNotFoundError(f'plugins: {plugin!r} was not found. Tried: {tried}.')
        offered = [one for one in installed_plugins() if one.name == plugin]
        for one in offered:
            import_installed(one, our_registries())
        if not offered:
            _import_name(plugin)
        return plugin
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


def _folders(near: Sequence[str | Path]) -> Sequence[Path]:
    above = [folder for config in near for folder in Path(config).absolute().parents]
    return list(dict.fromkeys([*above, Path.cwd()]))


def _find(plugin: str, near: Sequence[str | Path]) -> Path | None:
    path = Path(plugin).expanduser()
    candidates = [path] if path.is_absolute() else [folder / path for folder in _folders(near)]
    return next((found.resolve() for found in candidates if found.exists()), None)


def _import_name(name: str) -> None:
    if name in sys.modules:
        return
    try:
        found = importlib.util.find_spec(name.partition('.')[0])
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise FileNotFoundError(_unknown(name))
    try:
        with importing(name, name, source_of(name), our_registries()):
            importlib.import_module(name)
    except ImportError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f'{name}.'.startswith(f'{cause.name}.'):
            raise FileNotFoundError(_unknown(name)) from error
        raise


def _unknown(name: str) -> str:
    offered = ', '.join(sorted({one.name for one in installed_plugins()})) or 'none'
    return (
        f'plugins: {name!r} is neither a file or folder nor an installed module. '
        f'Installed plug-ins (entry points of {GROUP}): {offered}.'
    )


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
    source = path.parent if package else path
    with importing(str(path), name, source, our_registries()):
        sys.modules[name] = module
        spec.loader.exec_module(module)
