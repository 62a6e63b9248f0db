"""How a batch of images is shared out to threads that take layers from end to end."""

from __future__ import annotations

import ctypes

import torch

from irbox.native.products import taken_at_once

CACHE = 2**21
"""Bytes of an image's wide map that one thread works on alone; on larger ones all do together."""
FEW_PIXELS = 2**8
"""That are too few to be worth a part of their own."""


def can_learn(library: ctypes.CDLL | None) -> bool:
    """Tell whether layers may learn image by image: they are multiplied by the kernels alone."""
    return library is not None and bool(taken_at_once(library, torch.float32))


def parts(batch: int, in_image: int, channels: int) -> tuple[int, int, int]:
    """Say how a batch is shared out to the threads.

    Args:
        batch: Images.
        in_image: Pixels of each.
        channels: Of its wide map.

    Returns:
        How many images are a part; how many threads take a part each; and how many work in one.
    """
    threads = torch.get_num_threads()
    size = 4 * in_image * channels
    together = max(1, min(FEW_PIXELS // in_image, batch // threads))
    count = -(-batch // together)
    # In the last round some threads would have nothing to do.
    even = not count % threads or count >= 4 * threads
    if even and size <= CACHE:
        return together, threads, 1
    return max(1, threads * CACHE // size), 1, threads
