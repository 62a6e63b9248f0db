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


def build_network(
    config: str | Path | dict[str, Any], cfg_options: dict[str, Any] | None = None
) -> nn.Module:
    """Build the network that a configuration describes, with random weights.

    Under ``with torch.device('meta')`` it is built without memory, and a pretrained prior without
    its file: enough to count and to look at.

    Args:
        config: Path of a ``.py`` or ``.yaml`` config, or its content as a dict. Of the content only
            ``model`` and ``plugins`` are read.
        cfg_options: Values that replace those of a file, by dotted key, such as
            ``{'model.network.dim': 24}``.

    Returns:
        The network in evaluation mode: ``network(image)`` takes and gives (B, 3, H, W), RGB, 0 to
        1.

    Raises:
        FileNotFoundError: There is no such file, or none with the weights of a pretrained prior.
        ValueError: The config names an unknown part or argument.
    """
    from irbox.engine.network import build_network as build

    return build(config, cfg_options)
