"""The folder beside a checkpoint in which each process writes its part of the tensors.

``iter_N.shards`` is what ``torch.distributed.checkpoint`` writes, as safetensors: its own format
keeps a pickle, which could run code. ``iter_N.pth`` holds all the rest, comes last, and says how
large the files of the folder are; without it the folder counts for nothing.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from torch import Tensor

from irbox.engine.leaving import DivergenceError
from irbox.engine.sharding import is_shard, part
from irbox.utils.files import rename

SUFFIX = '.shards'
SEPARATOR = '/'


def folder_of(checkpoint: str | Path) -> Path:
    """Tell where the shards of a checkpoint are."""
    return Path(checkpoint).with_suffix(SUFFIX)


def write_shards(content: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Write the tensors that are shared out; all processes must.

    Args:
        content: A checkpoint; mappings in it have names or numbers.
        path: Of the checkpoint that the shards belong to.

    Returns:
        The rest, for ``write_checkpoint``, with the sizes of the files in ``meta.shards``.

    Raises:
        DivergenceError: A number is not finite, in any process: nothing is written.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    shards: dict[str, Tensor] = {}
    rest: dict[str, Any] = _take(content, '', shards)
    bad = [key for key, value in shards.items() if not part(value).isfinite().all()]
    found = torch.tensor(float(bool(bad)))
    all_reduce(found, 'max')
    if found.item():
        raise DivergenceError(
            f'{bad[0] if bad else "a weight"} is not finite; no {path} is written'
        )
    folder, growing = folder_of(path), Path(f'{folder_of(path)}-growing')
    if is_main_process():
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir(parents=True)
    barrier()
    save(shards, storage_writer=HuggingFaceStorageWriter(str(growing), save_distributed=True))
    barrier()
    if is_main_process():
        shutil.rmtree(folder, ignore_errors=True)
        rename(growing, folder)
    barrier()
    sizes = {file.name: file.stat().st_size for file in sorted(folder.glob('*.safetensors'))}
    rest['meta'] = {**rest['meta'], 'shards': sizes}
    return rest


def check_shards(content: Any, path: str | Path) -> bool:
    """Tell whether a checkpoint has shards.

    Raises:
        ValueError: It has, but not all of them are there, or not whole.
    """
    meta = content.get('meta') if isinstance(content, Mapping) else None
    sizes = meta.get('shards') if isinstance(meta, Mapping) else None
    if not isinstance(sizes, Mapping) or not sizes:
        return False
    for name, size in sizes.items():
        file = folder_of(path) / Path(str(name)).name
        if not file.is_file() or file.stat().st_size != size:
            raise ValueError(f'Checkpoint {path}: its part {file} is missing or cut off.')
    return True


def with_shards(content: Any, path: str | Path, device: Any = 'cpu') -> Any:
    """Put the tensors of the shards, whole again, into their places in a checkpoint.

    Args:
        content: What ``iter_N.pth`` holds; what has no shards comes back as it is.
        path: That file.
        device: Where the tensors go; ``'meta'`` reads their shapes only.

    Raises:
        ValueError: See ``check_shards``.
    """
    if not check_shards(content, path):
        return content
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = HuggingFaceStorageReader(str(folder_of(path)))
    shapes: dict[str, Any] = reader.read_metadata().state_dict_metadata
    meta = str(device) == 'meta'
    tensors = {
        key: torch.empty(one.size, dtype=one.properties.dtype, device='meta' if meta else 'cpu')
        for key, one in shapes.items()
    }
    if not meta:
        with warnings.catch_warnings():
            # It is a single process that reads, as the message says.
            warnings.filterwarnings('ignore', message='torch.distributed is disabled')
            load(tensors, storage_reader=reader, no_dist=True)
    whole: dict[Any, Any] = _copied(content)
    for key, value in tensors.items():
        *places, last = key.split(SEPARATOR)
        owner = whole
        for place in places:
            owner = owner.setdefault(int(place) if place.isdecimal() else place, {})
        owner[last] = value if meta else value.to(device)
    whole['meta'].pop('shards')
    return whole


def _take(value: Any, place: str, shards: dict[str, Tensor]) -> Any:
    """Copy mappings without what is shared out, which goes into ``shards`` by its place."""
    kept = {}
    for key, item in value.items():
        path = f'{place}{SEPARATOR}{key}' if place else str(key)
        if is_shard(item):
            shards[path] = item.detach()
        else:
            kept[key] = _take(item, path, shards) if isinstance(item, Mapping) else item
    return kept


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return value
