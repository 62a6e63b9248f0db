"""A model as a folder in the layout of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irbox import __version__
from irbox.engine.checkpoint import frozen_records, read_checkpoint
from irbox.restore.model_card import ModelCard
from irbox.utils.files import atomic_write, check_writable
from irbox.utils.weights import write_safetensors

CONFIG, WEIGHTS, README = 'config.json', 'model.safetensors', 'README.md'


def write_folder(
    folder: str | Path,
    network: nn.Module,
    config: Mapping[str, Any],
    card: ModelCard,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write ``config.json``, ``model.safetensors`` and ``README.md``.

    Args:
        folder: Made where it is not there. One that holds files is refused, unless they are a model
            that irbox wrote.
        network: Its weights, without those of frozen priors, which have files of their own.
        config: ``model.network`` and ``plugins``.
        card: What the model says of itself.
        dtype: Of the weights in the file, those of them that are floats; their own by default.

    Raises:
        ValueError: The folder holds something else, or a weight leaves the range of ``dtype``.
        PermissionError: It cannot be written to.
    """
    folder = Path(folder).expanduser()
    if folder.is_dir() and any(folder.iterdir()):
        _check_own(folder)
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plugins = [str(one) for one in config.get('plugins') or ()]
    frozen = frozen_records(network)
    content = {
        'library_name': 'irbox',
        'irbox_version': __version__,
        'card': card.as_dict(),
        'model': {'network': config['model']['network']},
        'plugins': plugins,
        'frozen': frozen,
    }
    weights = {key: _packed(key, value, dtype) for key, value in network.state_dict().items()}
    files = [str(record['file']) for record in frozen.values() if record.get('file')]
    parameters = sum(weight.numel() for weight in network.parameters())
    write_safetensors(weights, folder / WEIGHTS, {'format': 'pt'})
    for name, data in (
        (README, card.readme(parameters, files, plugins).encode()),
        (CONFIG, json.dumps(content, indent=2, ensure_ascii=False).encode()),
    ):
        with atomic_write(folder / name) as file:
            file.write(data)
    return folder


def read_folder(folder: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a folder that ``write_folder`` wrote.

    Returns:
        The content of ``config.json``, and a checkpoint as ``read_checkpoint`` gives it.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or the folder is of another library.
    """
    folder = Path(folder).expanduser()
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f'The folder {folder} holds no {name}. A model is {CONFIG} and {WEIGHTS}, as '
                'model.save(folder) writes them; of the folder of a training, name a file, such '
                'as final.pth.'
            )
    config = _read_config(folder / CONFIG)
    weights = read_checkpoint(folder / WEIGHTS)
    return config, {**weights, 'meta': {'frozen': config.get('frozen') or {}}}


def _check_own(folder: Path) -> None:
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f'The folder {folder} holds other files than a model. Choose a new or empty one.'
        )
    try:
        _read_config(folder / CONFIG)
    except ValueError as error:
        raise ValueError(f'{error} It is not written over: choose a new or empty folder.') from None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no valid JSON: {error}.') from error
    if not isinstance(config, dict) or config.get('library_name') != 'irbox':
        raise ValueError(f'{path} was not written by irbox: this model is of another library.')
    return config


def _packed(key: str, value: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A copy, since tensors that share memory are refused by the format."""
    kept = dtype if dtype and value.is_floating_point() else value.dtype
    packed = value.detach().to('cpu', kept, copy=True)
    if (value.isfinite().cpu() & ~packed.isfinite()).any():
        raise ValueError(
            f'{key} holds values that are not finite as {str(kept).removeprefix("torch.")}. '
            'Write the model in float32.'
        )
    return packed
