"""Released weights of systems that plug-ins bring along."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from irbox.config.load_config import load_config
from irbox.conversion.rename_weights import Conversion, check_target, write_weights
from irbox.engine.network import build_network
from irbox.priors.daclip.reading import read_state_dict

Convert = Callable[[Mapping[str, Tensor], nn.Module], dict[str, Tensor]]


def convert(config: Path, source: Path, target: Path, trust_pickle: bool = False) -> Conversion:
    """Write released weights as a checkpoint of irbox, as a plug-in of the config says.

    Args:
        config: Names the composition that the weights are for, and under ``plugins`` one with a
            function ``convert(released, network)`` that gives the network's state dict.
        source: The released file: ``state_dict`` beside anything else, or bare; ``.safetensors``
            do too.
        target: A new file, ``.pth`` or ``.safetensors``.
        trust_pickle: Read a file that asks to run code of its own: only if you trust its source.

    Raises:
        FileNotFoundError: The config, the source or the folder of the target does not exist.
        ValueError: No plug-in of the config converts, or more than one; the target exists or has
            another suffix; the source is unreadable or would run code; or its weights do not fit.
    """
    check_target(source, target)
    content = load_config(config, sections=['model'])
    rename = _converter(config, content.get('plugins') or ())
    with torch.device('meta'):  # names and shapes; no memory
        network = build_network(content.to_dict())
    released = read_state_dict(source, f'published {config}', trust_pickle)
    own = rename(released, network)
    write_weights(own, source, target)
    left_out = {'that the composition has no use for': len(released) - len(own)}
    return Conversion(
        len(own),
        sum(tensor.numel() for tensor in own.values()),
        left_out if len(released) > len(own) else {},
    )


def _converter(config: Path, plugins: Iterable[str]) -> Convert:
    files = {str(file) for plugin in plugins for file in (plugin, Path(plugin) / '__init__.py')}
    found = {
        module.__file__: module.convert
        for name, module in list(sys.modules.items())
        if (name in files or getattr(module, '__file__', None) in files)
        and callable(getattr(module, 'convert', None))
    }
    if len(found) != 1:
        which = (
            f'{len(found)} of its plug-ins do: {", ".join(map(str, found))}'
            if found
            else ('none of its plug-ins does')
        )
        raise ValueError(
            f'{config} should name one plug-in with a function convert(released, network), {which}.'
        )
    return next(iter(found.values()))
