"""What memory a config asks for, estimated before it is taken."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.registry import MODELS


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
    if torch.cuda.is_available():
        there = torch.cuda.mem_get_info()[1]
    else:
        there = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    if needed > there:
        raise ValueError(
            f'model: its weights need {needed / 2**30:,.0f} GiB, this machine has '
            f'{there / 2**30:,.0f} GiB. Look for a size that is too large.'
        )
