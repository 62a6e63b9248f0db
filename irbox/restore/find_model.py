"""From what a user types to a file or folder on this machine."""

from __future__ import annotations

from pathlib import Path

from irbox.registry import suggest
from irbox.restore.hub_folder import CONFIG
from irbox.restore.known_models import KNOWN, KnownModel, model_folders
from irbox.restore.shipped import SHIPPED
from irbox.utils.download import fetch, is_address


def find_model(what: str, offline: bool = False) -> tuple[Path, KnownModel | None]:
    """Find a model by path, by address, or by name.

    Args:
        what: A file or folder; ``http://``, ``https://`` or ``file://`` with or without
            ``#sha256=...``; the name of a model that comes with irbox, or of one that it knows. A
            folder hides a model that comes with irbox only where it holds a model.
        offline: Fetch nothing.

    Returns:
        Its file or folder, which need not exist where a path was given; and what is known of it by
        its name.

    Raises:
        ValueError: There is no such name; or see ``fetch``.
        FileNotFoundError, ConnectionError: It is not here and could not, or may not, be fetched.
    """
    if is_address(what):
        return fetch(what, model_folders()[-1], offline=offline), None
    path = Path(what).expanduser()
    # A folder that happens to have the name, and is no model, hides none.
    if what in SHIPPED and not path.is_file() and not (path / CONFIG).is_file():
        return SHIPPED[what], None
    # A name has no place in the file system and no suffix.
    if path.exists() or path.suffix or '/' in what:
        return path, None
    if what in KNOWN:
        return KNOWN[what].find(offline), KNOWN[what]
    raise ValueError(
        f'There is no file or folder {what!r} and no model of this name. '
        f'{suggest(what, [*SHIPPED, *KNOWN])} Give a name, a checkpoint that irbox wrote or that '
        'its authors published, (config, checkpoint), or a folder with config.json and '
        'model.safetensors.'
    )
