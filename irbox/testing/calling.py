"""Building and calling a part the way the program does, with messages about what went wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from torch import nn

# pytest shows the author's own line, not ours.
__tracebackhide__ = True

T = TypeVar('T')


class BrokenPromiseError(AssertionError):
    """What a part does not keep; in the author's terms, other than an assertion of the part's."""


def require(kept: bool, name: str, text: str) -> None:
    """Raise an AssertionError that names the part and the promise where it is not kept."""
    if not kept:
        raise BrokenPromiseError(f'{name} {text}.')


def check_signatures(
    part: Any,
    kind: str,
    *,
    given: Sequence[str],
    options: Mapping[str, Any],
    inputs: Sequence[str],
) -> None:
    """See whether a part can be built and called by what the program passes.

    Args:
        part: The class.
        kind: What it is ('block', 'router', ...), for the message.
        given: Arguments of the constructor that the program passes, by name.
        options: Those that a config would.
        inputs: What ``forward`` is called with, in order.
    """
    name = getattr(part, '__name__', type(part).__name__)
    if not inspect.isclass(part):
        what = f'an instance of {name}' if isinstance(part, nn.Module) else repr(part)
        raise BrokenPromiseError(f'check_{kind} takes a class, got {what}. Options follow it.')
    require(
        issubclass(part, nn.Module), name, 'is no nn.Module: its weights would not be found by it'
    )
    call = f'{name}({", ".join(f"{argument}=..." for argument in [*given, *options])})'
    # nn.Module seems to take everything and refuses it later.
    bare = part.__init__ is nn.Module.__init__
    constructor = inspect.Signature() if bare else inspect.signature(part)
    try:
        constructor.bind(**dict.fromkeys(given), **options)
    except TypeError as error:
        passed = f'The program passes {" and ".join(given)}; ' if given else ''
        raise BrokenPromiseError(
            f'{name} cannot be built as {call}: {error}. {passed}a config gives the rest as '
            f'options: give what has no default here, too, as in check_{kind}({name}, option=...).'
        ) from error
    try:
        inspect.signature(cast(type[nn.Module], part).forward).bind(None, *inputs)
    except TypeError as error:
        raise BrokenPromiseError(
            f'{name} is called as {kind}({", ".join(inputs)}), which its forward does not take: '
            f'{error}. Write def forward(self, {", ".join(inputs)}).'
        ) from error


def answer(name: str, call: Callable[[], T], where: str, hint: str) -> T:
    """Give what a part answers.

    Args:
        name: Of the part.
        call: Calls it.
        where: What it is tried on, for the message.
        hint: What to do about an error.

    Raises:
        AssertionError: It raises an error instead.
    """
    try:
        return call()
    except BrokenPromiseError:
        raise
    except Exception as error:
        text = str(error).strip().rstrip('.')
        raise BrokenPromiseError(
            f'{name} fails {where}: {type(error).__name__}: {text}. {hint}.'
        ) from error
