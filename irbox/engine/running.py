"""The frame of a tool that runs a config, alone or as one of several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config

from irbox.config.load_config import load_config
from irbox.engine import compat


@contextmanager
def running(
    path: str | Path,
    cfg_options: Mapping[str, Any],
    read: Callable[[str | Path, Mapping[str, Any]], Config] = load_config,
    **options: Any,
) -> Iterator[Config]:
    """Prepare mmengine, read a config and join the processes of its run; leave them at the end.

    After an error they are not left: the others may wait for this one, and ending it is safer.

    Args:
        path: Of the config.
        cfg_options: Values that replace the file's, by dotted key.
        read: Reads a config with such values in it.
        **options: More of them, from options of the tool's own such as ``launcher``; None stands
            for one that was not given.

    Yields:
        The config.

    Raises:
        ValueError, FileNotFoundError, ImportError: See ``load_config`` and ``set_up_processes``.
    """
    chosen = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in options.items()
        if value is not None
    }
    compat.init()
    config = read(path, {**cfg_options, **chosen})
    meeting = (config.get('env_cfg') or {}).get('dist_cfg') or {}
    compat.set_up_processes(config.get('launcher') or 'none', meeting.get('timeout'))
    yield config
    compat.leave_processes()
