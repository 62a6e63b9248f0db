"""From a file, a folder or a name to a model that restores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import check_frozen, load_weights, read_checkpoint
from irbox.engine.network import build_network
from irbox.restore.devices import Precision
from irbox.restore.hub_folder import read_folder
from irbox.restore.model_card import ModelCard
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.shipped import find_shipped
from irbox.utils.plugin_imports import installed_plugins
from irbox.utils.weights import bare_name

Pair = tuple[str | Path | Mapping[str, Any], str | Path]


def load(
    what: str | Path | Pair | RestorationModel,
    device: str | torch.device = 'auto',
    precision: Precision = 'auto',
    trust: bool = False,
) -> RestorationModel:
    """Load a model that restores; see ``irbox.load``."""
    if isinstance(what, RestorationModel):
        return what
    if isinstance(what, (str, Path)) and Path(what).suffix == '.onnx':
        from irbox.restore.exported_model import ExportedModel

        return ExportedModel(Path(what).expanduser(), device, precision)
    if isinstance(what, (tuple, list)):
        if len(what) != 2:
            raise ValueError(
                f'A model is one path, or (config, checkpoint), got {len(what)} values.'
            )
        config, checkpoint, origin = _from_pair(*what)
    else:
        config, checkpoint, origin = _from_path(str(what), trust)
    network = _build(config, checkpoint, origin)
    card = ModelCard.read(config.get('card') or {'name': _name(origin, config)})
    return RestorationModel(
        network, config, card, source=str(origin), device=device, precision=precision
    )


def _from_pair(config: Any, path: str | Path) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """A config that the user names is code that the user trusts, its plug-ins as well."""
    content = (
        dict(config)
        if isinstance(config, Mapping)
        else load_config(config, sections=['model']).to_dict()
    )
    return content, read_checkpoint(path), Path(path)


def _from_path(what: str, trust: bool) -> tuple[dict[str, Any], dict[str, Any], Path]:
    path = Path(what).expanduser()
    if not path.exists():
        # A name has no place in the file system and no suffix.
        path = path if path.suffix or '/' in what else find_shipped(what)
    if path.is_dir():
        config, checkpoint = read_folder(path)
    else:
        checkpoint = read_checkpoint(path)
        config = _config_inside(checkpoint, path)
    _check_trust(config, path, trust)
    return config, checkpoint, path


def _config_inside(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any]:
    text = (checkpoint.get('meta') or {}).get('cfg')
    config = yaml.safe_load(text) if isinstance(text, str) else None
    if not isinstance(config, dict) or 'model' not in config:
        raise ValueError(
            f'{path} holds weights without the config that says what they are of. Load it with '
            f"irbox.load(('CONFIG.py', {str(path)!r})); weights that another program published are "
            'converted first (docs/checkpoints.md).'
        )
    return config


def _check_trust(config: Mapping[str, Any], path: Path, trust: bool) -> None:
    """Refuse a file that names Python to run, unless it is trusted."""
    installed = {one.name for one in installed_plugins()}
    plugins = [str(one) for one in config.get('plugins') or () if one not in installed]
    if plugins and not trust:
        raise ValueError(
            f'{path} names plug-ins, Python files that would be run: {", ".join(plugins)}. If you '
            'trust them, load it with trust=True.'
        )


def _build(config: dict[str, Any], checkpoint: Mapping[str, Any], origin: Path) -> nn.Module:
    settings = (config.get('model') or {}).get('network')
    if isinstance(settings, dict) and isinstance(settings.get('prior'), dict):
        # A folder of the machine that trained it, which keeps priors of fixed test images.
        settings['prior'].pop('cache', None)
    with torch.random.fork_rng(devices=[]):
        network = build_network(config)
    # The names that a checkpoint of a training uses.
    holder = nn.ModuleDict({'network': network})
    given = {bare_name(key): one for key, one in checkpoint['state_dict'].items()}
    records = (checkpoint.get('meta') or {}).get('frozen') or {}
    if any(key.startswith('network.') for key in given):
        # What else a training saves, of its losses, restores nothing.
        given = {key: one for key, one in given.items() if key.startswith('network.')}
    else:
        given = {f'network.{key}': one for key, one in given.items()}
        records = {f'network.{key}': one for key, one in records.items()}
    check_frozen(holder, {'meta': {'frozen': records}}, origin)
    load_weights(holder, given, origin)
    return network.requires_grad_(False).eval()


def _name(origin: Path, config: Mapping[str, Any]) -> str:
    """``final.pth`` and ``iter_100.pth`` are named for the training's folder."""
    if re.fullmatch(r'final|iter_\d+|best_.*|model|latest', origin.stem):
        return origin.absolute().parent.name
    return origin.stem
