"""Files of released weights, rewritten as checkpoints of irbox."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from irbox import __version__
from irbox.config.load_config import load_config
from irbox.conversion import m2restore
from irbox.conversion.rename_weights import NO_USE
from irbox.engine.checkpoint import PUBLISHED_KEYS, write_checkpoint
from irbox.engine.network import build_network
from irbox.utils.weights import check_file, read_weights, state_dict_of, write_safetensors

Convert = Callable[[Mapping[str, Tensor], nn.Module], dict[str, Tensor]]

SYSTEMS: dict[str, Convert] = {'m2restore': m2restore.convert}
"""Those of the package, whose files need no plug-in."""
SUFFIXES = ('.pth', '.safetensors')
PREFIX = 'network.'
"""Where ``Restorer`` keeps its network."""


@dataclass(frozen=True)
class Conversion:
    """Says what was done to a file."""

    tensors: int
    parameters: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why tensors were left out -> how many."""


def convert(
    config: Path,
    source: Path,
    target: Path,
    trust_pickle: bool = False,
    system: str | None = None,
) -> Conversion:
    """Write released weights as a checkpoint of irbox, as a plug-in of the config says.

    Args:
        config: Names the composition that the weights are for, and under ``plugins`` one with a
            function ``convert(released, network)`` that gives the network's state dict.
        source: The released file: ``state_dict`` or ``params`` beside anything else, or bare;
            ``.safetensors`` do too.
        target: A new file, ``.pth`` (``state_dict`` and ``meta``) or ``.safetensors``.
        trust_pickle: Read a file that asks to run code of its own: only if you trust its source.
        system: One of ``SYSTEMS``, whose function is taken in place of a plug-in's.

    Raises:
        FileNotFoundError: The config, the source or the folder of the target does not exist.
        ValueError: No plug-in of the config converts, or more than one; the target exists or has
            another suffix; the source is unreadable or would run code; or its weights do not fit.
    """
    _check_places(source, target)
    content = load_config(config, sections=['model'])
    rename = SYSTEMS[system] if system else converter_of(config, content.get('plugins') or ())
    with torch.device('meta'):  # names and shapes; no memory, and no file of a pretrained prior
        network = build_network(content.to_dict())
    content_of_file = read_weights(
        source,
        what='Released checkpoint',
        mapped=True,  # only what is used is read from the disk, not the optimiser's state
        numpy_scalars=True,
        trust_pickle=trust_pickle,
        remedy='If you trust its source, convert it with: python tools/convert_checkpoint.py '
        f'{system or f"published {config}"} {source} {target} --trust-pickle',
    )
    released = state_dict_of(content_of_file, source, PUBLISHED_KEYS, 'Released checkpoint')
    own = rename(released, network)
    _write(own, source, target)
    rest = len(released) - len(own)
    return Conversion(
        len(own),
        sum(tensor.numel() for tensor in own.values()),
        getattr(own, 'left_out', {NO_USE: rest} if rest > 0 else {}),
    )


def _check_places(source: Path, target: Path) -> None:
    """Refuse a conversion that cannot end well, before anything is read."""
    check_file(source, 'Released checkpoint')
    if target.suffix not in SUFFIXES:
        raise ValueError(f'The output must be named {" or ".join(SUFFIXES)}, got {target}.')
    if target.exists():
        raise ValueError(f'{target} exists. Remove it or choose another name.')
    if not target.parent.is_dir():
        raise FileNotFoundError(f'There is no folder {target.parent}.')


def _write(own: Mapping[str, Tensor], source: Path, target: Path) -> None:
    weights = {PREFIX + key: tensor for key, tensor in own.items()}
    meta = {'source': source.name, 'irbox_version': __version__}
    if target.suffix == '.pth':
        write_checkpoint({'meta': meta, 'state_dict': weights}, target)
    else:
        write_safetensors(weights, target, meta)


def converter_of(config: str | Path, plugins: Iterable[str]) -> Convert:
    """Find the function ``convert`` among a config's plug-ins, which are imported already.

    Raises:
        ValueError: None of them has one, or more than one does.
    """
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
    converter: Convert = next(iter(found.values()))
    return converter
