"""irbox: an all-in-one image restoration toolbox.

Importing the package is light: parts are imported on the first build.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__version__ = '0.1.0'
__all__ = ['__version__', 'build_network']


def build_network(config: str | Path | dict[str, Any]) -> nn.Module:
    """Build the network that a configuration describes, with random weights.

    Args:
        config: Path of a ``.py`` or ``.yaml`` config, or its content as a dict. Of the content only
            ``model`` (and ``plugins``) is read.

    Returns:
        The network in evaluation mode: ``network(image)`` takes and gives (B, 3, H, W), RGB, 0 to
        1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The config names an unknown part or argument.
    """
    from irbox.engine.build import build_network as build

    return build(config)
