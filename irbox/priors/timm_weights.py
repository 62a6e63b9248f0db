"""Weights of timm's backbones out of files: read without running code, and only if they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from irbox.utils.frozen import FrozenModule, check_record
from irbox.utils.weights import bare_name, fingerprint, misfits, read_weights, state_dict_of

# How a Restorer's checkpoint calls its prior.
PRIOR = 'network.prior.'
# What holds the weights in the files that timm's users write, the best first.
KEYS = ('state_dict_ema', 'model_ema', 'state_dict', 'model')
WHAT = 'TimmPrior: the file'


class FrozenPart(FrozenModule):
    """A module that keeps its weights, and what a checkpoint says of it instead of them.

    Args:
        module: What to freeze.
        file: Where its weights come from.
        settings: What else must be equal where a checkpoint is used again.
    """

    def __init__(
        self, module: nn.Module, file: str | Path | None, settings: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.module = module
        self.file = Path(file).name if file is not None else None
        self.settings = dict(settings)
        weights = [*module.parameters(), *module.buffers()]
        real = not any(weight.is_meta for weight in weights)
        self.sha256 = fingerprint(module.state_dict()) if real else None
        self.freeze()

    def forward(self, x: Tensor) -> Tensor:
        """Run it; gradients pass, weights get none."""
        answer: Tensor = self.module(x)
        return answer

    def checkpoint_record(self) -> dict[str, Any]:
        """Say what a checkpoint keeps in place of the weights, as plain data."""
        return {'type': 'TimmPrior', 'file': self.file, 'sha256': self.sha256, **self.settings}

    def check_record(self, record: Mapping[str, Any]) -> None:
        """Compare the record of a checkpoint with this part; the file's name may differ.

        Raises:
            ValueError: A network that was trained with another prior would be misled.
        """
        check_record(self.checkpoint_record(), record)


def load_prior(path: Path, backbone: nn.Module, classify: nn.Module, labels: Sequence[str]) -> bool:
    """Load a backbone and its labels' layer from a checkpoint of a network that irbox trained.

    Returns:
        Whether the file is one; if not, nothing is loaded.

    Raises:
        FileNotFoundError, ValueError: As ``load_backbone``; also where the labels differ.
    """
    content = _read(path, backbone)
    tensors = state_dict_of(content, path, KEYS, WHAT)
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
    found = state_dict_of(_read(path, backbone), path, KEYS, WHAT)
    tensors = {bare_name(key): value for key, value in found.items()}
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


def _read(path: Path, backbone: nn.Module) -> Any:
    try:
        return read_weights(path, what=WHAT)
    except FileNotFoundError as error:
        published = getattr(backbone, 'pretrained_cfg', {}).get('hf_hub_id')
        source = (
            f' timm publishes weights at https://huggingface.co/{published}: download '
            'model.safetensors and name it here.'
            if published
            else ''
        )
        raise FileNotFoundError(
            f'{error}{source} Without `weights` it is trained from scratch.'
        ) from None


def _load(module: nn.Module, tensors: Mapping[str, Any], path: Path) -> None:
    own = module.state_dict()
    if faults := misfits(own, tensors):
        raise ValueError(
            f'{path} is of another architecture: of the {len(own)} weights of '
            f'{type(module).__name__}, {faults}. Set backbone (and options) to what the file holds.'
        )
    module.load_state_dict(dict(tensors))


def _labels(content: Mapping[str, Any]) -> list[str] | None:
    """Labels of the prior in the config that a checkpoint holds, where it holds one."""
    text = content.get('meta', {}).get('cfg') if isinstance(content.get('meta'), Mapping) else None
    config = yaml.safe_load(text) if isinstance(text, str) else {}
    for key in ('model', 'network', 'prior', 'labels'):
        config = config.get(key) if isinstance(config, Mapping) else None
    return list(config) if config else None
