"""State that belongs to the whole process and is not ours to change."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager


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
