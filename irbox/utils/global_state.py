"""State that belongs to the whole process and is not ours to change."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Leave Python's and NumPy's random state and the environment as they were found.

    Libraries change them while they are imported: rich draws a number, torch, tokenizers and OpenCV
    set variables.
    """
    import numpy as np

    environment, python, numpy = dict(os.environ), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def no_numbers_drawn() -> Iterator[None]:
    """Refuse random numbers of the host, by Python, NumPy or torch, and put the generators back.

    Raises:
        RuntimeError: Some were drawn.
    """
    import numpy as np
    import torch

    python, numpy, own = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    before = _places_of_generators()
    try:
        yield
        if _places_of_generators() != before:
            raise RuntimeError('random numbers are drawn on the host')
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.random.set_rng_state(own)


def _places_of_generators() -> tuple[Any, ...]:
    import numpy as np
    import torch

    _, numbers, *rest = np.random.get_state()
    own = torch.random.get_rng_state().numpy().tobytes()
    return random.getstate(), np.asarray(numbers).tobytes(), tuple(rest), own
