"""From a file, a folder or a name to a model that restores."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import torch
import yaml
from torch import nn

from irbox.config.load_config import load_config
from irbox.config.shipped_configs import shipped_config
from irbox.conversion.published import as_ours, recognize
from irbox.engine.checkpoint import check_frozen, load_weights, read_checkpoint
from irbox.engine.network import build_network
from irbox.networks.spandrel_network import SpandrelNetwork, knows_weights
from irbox.restore.devices import Precision, Runtime
from irbox.restore.find_model import find_model
from irbox.restore.hub_folder import read_folder
from irbox.restore.known_models import KnownModel
from irbox.restore.model_card import ModelCard
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.download import is_address
from irbox.utils.plugin_imports import installed_plugins
from irbox.utils.weights import bare_name

Pair = tuple[str | Path | Mapping[str, Any], str | Path]
Content = dict[str, Any]


def load(
    what: str | Path | Pair | RestorationModel,
    device: str | torch.device = 'auto',
    precision: Precision = 'auto',
    trust: bool = False,
    offline: bool = False,
    runtime: Runtime = 'torch',
    tell: Callable[[str], None] | None = None,
) -> RestorationModel:
    """Load a model that restores; see ``irbox.load``.

    ``tell`` is told what a runtime takes long for and why it was chosen; the log by default.
    """
    if isinstance(what, RestorationModel):
        if runtime not in ('torch', what.runtime):
            raise ValueError(
                f'runtime={runtime!r} is chosen when a model is loaded, and this one is computed '
                f'by {what.runtime}. Give it to irbox.load.'
            )
        return what
    if runtime not in get_args(Runtime):
        raise ValueError(
            f'runtime={runtime!r} is unknown. Choose one of {", ".join(get_args(Runtime))}.'
        )
    if isinstance(what, (tuple, list)):
        if len(what) != 2:
            raise ValueError(
                f'A model is one path, or (config, checkpoint), got {len(what)} values.'
            )
        config, checkpoint, origin = _from_pair(*what, offline)
    else:
        origin, known = find_model(str(what), offline)
        if origin.suffix == '.onnx':
            from irbox.restore.exported_model import ExportedModel

            if runtime == 'openvino':
                raise ValueError(
                    f'{origin} is computed by ONNX Runtime, got runtime={runtime!r}. Leave it out, '
                    'or load the model that the file was made of.'
                )
            return ExportedModel(origin, device, precision)
        config, checkpoint = _from_path(origin, known, trust)
    network = _build(config, checkpoint, origin)
    card = ModelCard.read(config.get('card') or {'name': _name(origin)})
    model = RestorationModel(
        network, config, card, source=str(origin), device=device, precision=precision
    )
    if runtime != 'torch':
        from irbox.restore.runtimes.use_runtime import use_runtime

        use_runtime(model, runtime, precision, tell)
    return model


def _from_pair(config: Any, path: str | Path, offline: bool) -> tuple[Content, Content, Path]:
    """A config that the user names is code that the user trusts, its plug-ins as well."""
    content = (
        copy.deepcopy(dict(config))
        if isinstance(config, Mapping)
        else load_config(config, sections=['model']).to_dict()
    )
    found = find_model(str(path), offline)[0] if is_address(str(path)) else Path(path)
    return content, read_checkpoint(found), found


def _from_path(path: Path, known: KnownModel | None, trust: bool) -> tuple[Content, Content]:
    if path.is_dir():
        config, checkpoint = read_folder(path)
    else:
        checkpoint = read_checkpoint(path)
        text = (checkpoint.get('meta') or {}).get('cfg')
        inside = yaml.safe_load(text) if isinstance(text, str) else None
        if not isinstance(inside, dict) or 'model' not in inside:
            # What ships with irbox names no Python but its own.
            return _config_of(checkpoint, path, known), checkpoint
        config = inside
    _check_trust(config, path, trust)
    return config, checkpoint


def _config_of(checkpoint: Mapping[str, Any], path: Path, known: KnownModel | None) -> Content:
    """Find the config of weights that come without: by their names, or by the file's."""
    weights = checkpoint['state_dict']
    if (system := recognize(weights)) is not None:
        return system.config_for(weights)
    if known is not None:
        return dict(load_config(shipped_config(known.config), sections=['model']).to_dict())
    knows = knows_weights(weights)
    if knows:
        return {'model': {'network': {'type': 'SpandrelNetwork', 'checkpoint': str(path)}}}
    missing = "which is not installed (pip install 'irbox[zoo]')"
    raise ValueError(
        f'{path} holds weights without the config that says what they are of. Load it with '
        f"irbox.load(('CONFIG.py', {str(path)!r})). Published weights are known by their names: "
        'those of M2Restore, PromptIR, AdaIR, MoCE-IR and Restormer, and those of the '
        f'architectures of spandrel, {missing if knows is None else "and these are none"}; see '
        'docs/checkpoints.md.'
    )


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
    if isinstance(network, SpandrelNetwork):
        if network.checkpoint != origin:
            raise ValueError(
                f'The network of the config is {network.checkpoint} itself, and {origin} is '
                'another file. Load the first by its name alone.'
            )
        return network.requires_grad_(False).eval()
    # The names that a checkpoint of a training uses.
    holder = nn.ModuleDict({'network': network})
    weights = as_ours(checkpoint['state_dict'], network)
    given = {bare_name(key): one for key, one in weights.items()}
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


def _name(origin: Path) -> str:
    """``final.pth`` and ``iter_100.pth`` are named for the training's folder."""
    if re.fullmatch(r'final|iter_\d+|best_.*|model|latest', origin.stem):
        return origin.absolute().parent.name
    return origin.stem
