"""Whether layers are to be written in operators that other programs have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_WANTED = ContextVar('standard_operators', default=False)


@contextmanager
def standard_operators() -> Iterator[None]:
    """Let layers compute by operators that every format of exported networks has.

    The selective scan is then a loop instead of an operator of ours, and frequency bands are matrix
    products instead of Fourier transforms. The answers are the same but for rounding; it is slower
    in torch, and meant for exporting.
    """
    token = _WANTED.set(True)
    try:
        yield
    finally:
        _WANTED.reset(token)


def wants_standard_operators() -> bool:
    """Tell whether somebody asked for ``standard_operators``."""
    return _WANTED.get()


def counted(number: int, least: int, most: int) -> int:
    """Give a number that follows from sizes, as a size of its own.

    While exporting, sizes are expressions; what is computed with a rounded quotient of them makes
    expressions that take minutes to compare. This cuts them: nobody knows of the new size but that
    it lies in ``least`` to ``most``.
    """
    answer: int = torch.ones((), dtype=torch.int64).mul(number).item()  # type: ignore[assignment]
    torch._check(answer >= least)
    torch._check(answer <= most)
    return answer
