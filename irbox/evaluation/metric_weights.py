"""Weights of published networks that judge images: local files, never downloaded."""

from __future__ import annotations

from pathlib import Path

import torch


def find_weights(path: str | Path | None, name: str, needed_by: str, source: str) -> Path:
    """Find the file with a network's weights.

    Args:
        path: As the user gave it; by default the file stands where torch.hub would put it.
        name: Of the published file.
        needed_by: What needs it, for the message.
        source: Where it can be had, for the message.

    Raises:
        FileNotFoundError: It is not there; the message says where to get it.
    """
    file = Path(path).expanduser() if path else Path(torch.hub.get_dir(), 'checkpoints', name)
    if not file.is_file():
        given = f'weights={path} does not exist' if path else f'{name} is not in {file.parent}'
        raise FileNotFoundError(
            f'{needed_by}: {given}. Get the file {name} from {source} and give its path as '
            '`weights`; nothing is downloaded by itself.'
        )
    return file
