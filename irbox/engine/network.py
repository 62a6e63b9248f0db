"""From a config to a network, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from irbox.config.plugins import load_plugins
from irbox.registry import MODELS, suggest


def build_network(
    config: str | Path | Mapping[str, Any], cfg_options: Mapping[str, Any] | None = None
) -> nn.Module:
    """Build the network of a config; see ``irbox.build_network``."""
    content: Any = config
    if isinstance(config, (str, Path)):
        from irbox.config.load_config import load_config

        content = load_config(config, cfg_options, sections=['model'])
    elif cfg_options:
        raise ValueError('cfg_options change the values of a file: change those of a dict in it.')
    else:
        load_plugins(content.get('plugins') or ())
    if 'model' not in content:
        raise ValueError(f'The config has no `model`. {suggest("model", content)}')
    if not isinstance(content['model'], Mapping) or 'network' not in content['model']:
        raise ValueError('The config has no `model.network`.')
    return cast(nn.Module, MODELS.build(content['model']['network'])).eval()
