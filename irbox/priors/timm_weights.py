"""Weights of timm's backbones out of files: read without running code, and only if they fit."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from irbox.utils.frozen import FrozenModule

# How a Restorer's checkpoint calls its prior.
PRIOR = 'network.prior.'


class FrozenPart(FrozenModule):
    """A module that keeps its weights, and what a checkpoint says of it instead of them.

    Args:
        module: What to freeze.
        file: Where its weights come from.
        settings: What else must be equal where a checkpoint is used again.
    """

    def __init__(self, module: nn.Module, file: str | None, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.module = module
        self.file = Path(file).name if file is not None else None
        self.settings = dict(settings)
        weights = [*module.parameters(), *module.buffers()]
        real = not any(weight.is_meta for weight in weights)
        self.sha256 = _fingerprint(module) if real else None
        self.freeze()

    def forward(self, x: Tensor) -> Tensor:
        """Run it; gradients pass, weights get none."""
        return self.module(x)

    def checkpoint_record(self) -> dict[str, Any]:
        """What a checkpoint keeps in place of the weights, as plain data."""
        return {'type': 'TimmPrior', 'file': self.file, 'sha256': self.sha256, **self.settings}

    def check_record(self, record: Mapping[str, Any]) -> None:
        """Compare the record of a checkpoint with this part; the file's name may differ.

        Raises:
            ValueError: A network that was trained with another prior would be misled.
        """
        own = self.checkpoint_record()
        faults = [
            f'{key}: {record.get(key)} in the checkpoint, {own[key]} here'
            for key in own
            if key != 'file' and record.get(key) != own[key]
        ]
        if faults:
            raise ValueError(
                f'it was made with another prior. {"; ".join(faults)}. Its file was '
                f'{record.get("file")}, this one is {self.file}. Set model.network.prior to what '
                'the checkpoint was trained with.'
            )


def load_prior(path: Path, backbone: nn.Module, classify: nn.Module, labels: Sequence[str]) -> bool:
    """Load a backbone and its labels' layer from a checkpoint of a network that irbox trained.

    Returns:
        Whether the file is one; if not, nothing is loaded.

    Raises:
        FileNotFoundError, ValueError: As ``load_backbone``; also where the labels differ.
    """
    content = _read(path, backbone)
    tensors = content.get('state_dict', content)
    prefix = next((one for one in (PRIOR, '') if f'{one}classify.weight' in tensors), None)
    if prefix is None:
        return False
    trained = _labels(content)
    if trained is not None and trained != list(labels):
        raise ValueError(
            f'{path} was trained with the labels {trained}, the prior has {list(labels)}. '
            'Give it the same, in this order.'
        )
    for name, module in (('backbone.', backbone), ('classify.', classify)):
        inside = prefix + name
        found = {
            key.removeprefix(inside): v for key, v in tensors.items() if key.startswith(inside)
        }
        _load(module, found, path)
    return True


def load_backbone(path: Path, backbone: nn.Module) -> None:
    """Load a backbone from a file that timm, or whoever trained with it, wrote.

    Raises:
        FileNotFoundError: There is none; says where timm's is published.
        ValueError: It is unreadable, would run code, or is of another architecture.
    """
    content = _read(path, backbone)
    for key in ('state_dict_ema', 'model_ema', 'state_dict', 'model'):
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    tensors = {key.removeprefix('module.'): value for key, value in content.items()}
    heads = getattr(backbone, 'pretrained_cfg', {}).get('classifier') or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    own = backbone.state_dict()
    _load(
        backbone,
        {
            key: value
            for key, value in tensors.items()
            if key in own or not key.startswith(tuple(f'{head}.' for head in heads))
        },
        path,
    )


def _read(path: Path, backbone: nn.Module) -> dict[str, Any]:
    if not path.is_file():
        published = getattr(backbone, 'pretrained_cfg', {}).get('hf_hub_id')
        source = (
            f' timm publishes weights at https://huggingface.co/{published}: download '
            'model.safetensors and name it here.'
            if published
            else ''
        )
        raise FileNotFoundError(
            f'TimmPrior: there is no file {path} (weights).{source} Without weights it is trained '
            'from scratch.'
        )
    try:
        if path.suffix == '.safetensors':
            return dict(load_file(path))
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{path} is refused: reading it would run code from the file, or it is damaged. '
            "Convert it where you trust it: save its state dict with safetensors' save_file."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, KeyError) as error:
        raise ValueError(f'{path} is no readable checkpoint: {error}') from error
    if not isinstance(content, Mapping):
        raise ValueError(f'{path} holds no weights but a {type(content).__name__}.')
    return dict(content)


def _load(module: nn.Module, tensors: Mapping[str, Any], path: Path) -> None:
    own = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    given = {key: tuple(getattr(value, 'shape', ())) for key, value in tensors.items()}
    faults = {
        'missing': own.keys() - given.keys(),
        'unknown': given.keys() - own.keys(),
        'of another shape': {key for key in own.keys() & given.keys() if own[key] != given[key]},
    }
    texts = [
        f'{len(keys)} {kind} ({", ".join(sorted(keys)[:3])}{", ..." if len(keys) > 3 else ""})'
        for kind, keys in faults.items()
        if keys
    ]
    if texts:
        raise ValueError(
            f'{path} is of another architecture: of the {len(own)} weights of '
            f'{type(module).__name__}, {"; ".join(texts)}. Set backbone (and options) to what the '
            'file holds.'
        )
    module.load_state_dict(dict(tensors))


def _labels(content: Mapping[str, Any]) -> list[str] | None:
    """Labels of the prior in the config that a checkpoint holds, where it holds one."""
    text = content.get('meta', {}).get('cfg') if isinstance(content.get('meta'), Mapping) else None
    config = yaml.safe_load(text) if isinstance(text, str) else {}
    for key in ('model', 'network', 'prior', 'labels'):
        config = config.get(key) if isinstance(config, Mapping) else None
    return list(config) if config else None


def _fingerprint(module: nn.Module) -> str:
    """sha256 of names, shapes and values."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f'{key}{tuple(values.shape)}'.encode())
        digest.update(values.numpy())
    return digest.hexdigest()
