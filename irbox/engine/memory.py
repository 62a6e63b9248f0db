"""What memory a config asks for, estimated before it is taken."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from torch.utils.data import DataLoader

from irbox.engine.activations import kept_bytes
from irbox.engine.hooks import ProgressivePatchesHook


def check_memory(model: Mapping[str, Any], copies: int) -> None:
    """Refuse a model whose weights alone do not fit into the memory of this machine.

    It is built without memory first. What cannot be built so, such as a plug-in that computes with
    its weights, is not judged.

    Args:
        model: The config's section.
        copies: How many numbers are kept for each weight; training has gradients, too.

    Raises:
        ValueError: It cannot fit.
    """
    try:
        with torch.device('meta'):
            built: Any = MODELS.build(copy.deepcopy(model))
        needed = copies * sum(one.numel() * one.element_size() for one in built.parameters())
    except Exception:
        return  # building it in earnest says what is wrong
    there = _of_the_device()
    if needed > there:
        raise ValueError(
            f'model: its weights need {needed / 2**30:,.0f} GiB, this machine has '
            f'{there / 2**30:,.0f} GiB. Look for a size that is too large.'
        )


def check_batches(loader: DataLoader[Any], place: str) -> None:
    """Refuse batches whose images alone do not fit into the memory of this machine.

    Counted are pairs of float32 images in the batch that is trained on and in those that loaders
    hold ready; what a network makes of them comes on top, see ``check_activations``.

    Args:
        loader: Of the training. Nothing is known of data sets without a ``patch_size``.
        place: In the config, for the message.

    Raises:
        ValueError: They cannot fit.
    """
    side = getattr(loader.dataset, 'patch_size', None)
    if not isinstance(side, int):
        return
    batches = 1 + loader.num_workers * (loader.prefetch_factor or 0)
    needed = batches * (loader.batch_size or 1) * 2 * 3 * side * side * 4
    if needed > _of_the_machine():
        raise ValueError(
            f'{place}: the images of {batches} batches of {loader.batch_size} need '
            f'{needed / 2**30:,.0f} GiB, this machine has {_of_the_machine() / 2**30:,.0f} GiB. '
            'Lower batch_size, the patch size or num_workers.'
        )


def check_activations(
    config: Mapping[str, Any], loader: DataLoader[Any], hooks: Sequence[Hook] = ()
) -> None:
    """Refuse a training step whose activations cannot fit into the memory of this machine.

    Counted is what is kept for the backward pass, see ``kept_bytes``, and that from below: half of
    it with ``amp``, a share of what experts keep. A model that cannot run without memory, such as a
    plug-in that looks at its numbers, and data sets without a ``patch_size`` are not judged.

    Args:
        config: Of the training.
        loader: Of the training.
        hooks: Among them one that cuts batches smaller, from stage to stage.

    Raises:
        ValueError: It cannot fit.
    """
    side = getattr(loader.dataset, 'patch_size', None)
    if not isinstance(side, int):
        return
    seen = [(loader.batch_size or 1, side)]
    for hook in hooks:
        if isinstance(hook, ProgressivePatchesHook):
            seen = [(min(one['batch'], seen[0][0]), one['patch']) for one in hook.stages]
    batch, side = max(seen, key=lambda shape: shape[0] * shape[1] ** 2)
    try:
        needed = kept_bytes(config['model'], batch, side, bool(config.get('recompute_blocks')))
    except Exception:
        return  # running it in earnest says what is wrong
    needed //= 2 if config.get('amp') else 1
    there = _of_the_device()
    if needed > there:
        remedy = '' if config.get('recompute_blocks') else ', or set recompute_blocks: true'
        raise ValueError(
            f'train_dataloader: what the network keeps of {batch} patches of {side} for its '
            f'gradients needs at least {needed / 2**30:,.0f} GiB, this machine has '
            f'{there / 2**30:,.0f} GiB. Lower batch_size or patch_size{remedy}.'
        )


def _of_the_device() -> int:
    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else _of_the_machine()


def _of_the_machine() -> int:
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
