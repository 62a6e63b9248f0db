"""Which arguments a part takes, and what they may hold."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_type_hints

from irbox.utils.check_type import check_type, takes_text
from irbox.utils.suggest import suggest


@dataclass(frozen=True)
class Argument:
    """An argument of a part."""

    declared: Any
    """What its annotation says; ``inspect.Parameter.empty`` where that is not known."""
    default: Any
    """``inspect.Parameter.empty`` where it must be given."""

    def check(self, value: Any, place: str) -> None:
        """Refuse what the argument cannot hold; see ``check_type``."""
        default = self.default
        simple = isinstance(default, bool | int | float | str)
        if value is default or (simple and type(value) is type(default) and value == default):
            return
        declared = self.declared
        if declared is inspect.Parameter.empty:
            # A number by default says that text is none, and nothing more.
            if not isinstance(default, bool | int | float) or not isinstance(value, str):
                return
            declared = bool if isinstance(default, bool) else float
        remedy = ''
        if value is None and default is not inspect.Parameter.empty:
            remedy = f'Leave it out for the default, {default!r}.'
        check_type(value, declared, place, remedy=remedy)

    @property
    def takes_text(self) -> bool:
        """Tell whether text may stand in it, or somewhere inside."""
        if self.declared is inspect.Parameter.empty:
            return isinstance(self.default, str)
        return takes_text(self.declared)


@lru_cache(maxsize=512)
def arguments_of(part: Callable[..., Any]) -> tuple[dict[str, Argument], bool]:
    """List the arguments that a class or function takes; say whether it refuses all others.

    ``**kwargs`` are followed to the base class that they are passed on to. An annotation that
    cannot be resolved is not known.
    """
    taken: dict[str, Argument] = {}
    for parameters, hints in _signatures(part):
        open_ended = False
        for parameter in parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                declared = hints.get(parameter.name, parameter.empty)
                if parameter.default is None and declared is not parameter.empty:
                    declared = declared | None
                taken.setdefault(parameter.name, Argument(declared, parameter.default))
        if not open_ended:
            return taken, True
    # mmengine's classes keep unknown arguments and fail with them much later.
    return taken, part.__module__.split('.')[0] == 'mmengine'


def check_arguments(
    name: str,
    part: Any,
    given: Mapping[str, Any],
    kind: str,
    *,
    injected: Collection[str] = (),
    hidden: Collection[str] = (),
    extra: Collection[str] = (),
    place: str = '',
) -> None:
    """Refuse arguments that a part does not take, and values that its annotations do not allow.

    Args:
        name: The part's registered name.
        part: Its class or function.
        given: What a user wrote beside ``type``.
        kind: What it is ('block', 'router', ...), for the message.
        injected: Arguments that the program passes and a config does not.
        hidden: Arguments that the program passes elsewhere, which the message leaves out.
        extra: Keys that are no arguments but are allowed.
        place: Where the part stands in a config; its name by default.

    Raises:
        ValueError: An argument is unknown, set by the program, or its value does not fit; the
            message begins with the place of the argument.
    """
    parameters, closed = arguments_of(part)
    for key, value in given.items():
        where = f'{place or name}.{key}'
        if key in extra:
            continue
        if key in injected:
            raise ValueError(f'{where}: {key!r} is set by the program. Remove it from the config.')
        if key in parameters:
            parameters[key].check(value, where)
        elif closed:
            settable = (set(parameters) - set(injected) - set(hidden)) | set(extra)
            raise ValueError(
                f'{where}: {kind} {name} takes no argument {key!r}. {suggest(str(key), settable)} '
                'If a base config left it behind, add `_delete_: true` beside `type`.'
            )


def _signatures(
    part: Callable[..., Any],
) -> Iterator[tuple[Iterable[inspect.Parameter], dict[str, Any]]]:
    """Read parameters and annotations of a function, or of each constructor of a class."""
    if not inspect.isclass(part):
        yield list(inspect.signature(part).parameters.values()), _hints(part)
        return
    found = False
    for base in part.__mro__[:-1]:
        if '__init__' in base.__dict__:
            found = True
            init = base.__dict__['__init__']
            yield list(inspect.signature(init).parameters.values())[1:], _hints(init)
    if not found:  # a class without any constructor takes nothing
        yield (), {}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # a name that is imported for type checkers only, for instance
        return {}
