"""What memory a config asks for, estimated before it is taken."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.registry import MODELS
from torch.utils.data import DataLoader


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
    there = torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else _of_the_machine()
    if needed > there:
        raise ValueError(
            f'model: its weights need {needed / 2**30:,.0f} GiB, this machine has '
            f'{there / 2**30:,.0f} GiB. Look for a size that is too large.'
        )


def check_batches(loader: DataLoader[Any], place: str) -> None:
    """Refuse batches whose images alone do not fit into the memory of this machine.

    Counted are pairs of float32 images in the batch that is trained on and in those that loaders
    hold ready; what a network makes of them comes on top and is not estimated.

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


def _of_the_machine() -> int:
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
