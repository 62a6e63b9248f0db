"""The configs that come with irbox, found by name: in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

import irbox
from irbox.registry import suggest

ENTRY = ('.py', '.yaml')


def shipped_folder() -> Path | None:
    """Find the folder with ``configs/`` and ``plugins/``: inside the package, or the checkout's.

    A wheel carries both in ``irbox/shipped`` (see setup.py); an editable installation uses those at
    the top of the checkout.
    """
    package = Path(irbox.__file__).resolve().parent
    for folder in (package / 'shipped', package.parent):
        if (folder / 'configs' / '_base_').is_dir():
            return folder
    return None


def shipped_configs() -> dict[str, Path]:
    """Map names to files: ``m2ir_5d``, ``plugins/promptir``, ``ablations/m2ir/no_dacp``.

    Bases (folders that begin with an underscore) are parts of configs and have no name.
    """
    root = shipped_folder()
    if root is None:
        return {}
    configs = root / 'configs'
    return {
        path.relative_to(configs).with_suffix('').as_posix(): path
        for path in sorted(configs.rglob('*'))
        if path.suffix in ENTRY
        and not any(part.startswith(('_', '.')) for part in path.relative_to(configs).parts)
    }


def shipped_config(name: str) -> Path:
    """Give a config that comes with irbox, whatever lies in the current folder.

    Raises:
        FileNotFoundError: This installation lacks it.
    """
    found = shipped_configs().get(name)
    if found is None:
        raise FileNotFoundError(f'This installation of irbox lacks its config {name}.')
    return found


def find_config(config: str | Path) -> Path:
    """Find a config by path, or by the name of one that comes with irbox.

    Args:
        config: A path, which wins where a file exists; or a name, with or without ``configs/`` in
            front and the extension behind, so that commands of a checkout work elsewhere.

    Returns:
        The path of a file. A path that does not exist is given back as it is if it is no name
        either and looks like a path, for the reader of configs to answer.

    Raises:
        ValueError: It is a plain word and no config has this name; the message names the nearest.
    """
    path = Path(config).expanduser()
    if path.exists():
        return path
    known = shipped_configs()
    name = path.with_suffix('') if path.suffix in ENTRY else path
    found = known.get(name.as_posix().removeprefix('configs/'))
    if found is not None:
        return found
    if path.suffix or len(path.parts) > 1:
        return path
    raise ValueError(
        f'There is no file {config}, and no config that comes with irbox has this name. '
        f'{suggest(str(config), known)}'
    )
