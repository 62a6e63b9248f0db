r"""Rules by which the name of a degraded image tells that of its clean one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from irbox.registry import suggest

Rule = str | Sequence[str]
Key = str | int | None


@dataclass(frozen=True)
class PairingRule:
    """Two names belong together when their keys are equal; names are compared without suffix."""

    text: str
    """What the rule is called in messages."""
    degraded_key: Callable[[str], Key]
    """Of a degraded image's name; None where the rule says nothing about it."""
    clean_key: Callable[[str], Key]
    """Of a clean image's name; None where the rule says nothing about it."""


def itself(name: str) -> str:
    """Give the name."""
    return name


def last_number(name: str) -> int | None:
    """Give the last whole number of a name, after a final ``x2`` is taken off.

    Examples:
        >>> [last_number(name) for name in ('rain-001', 'norain-1', 'norain-1x2', 'GOPR_000047')]
        [1, 1, 1, 47]
    """
    numbers = re.findall(r'\d+', re.sub(r'x2$', '', name, flags=re.IGNORECASE))
    return int(numbers[-1]) if numbers else None


SAME_NAME = PairingRule('same_name', itself, itself)
RULES = {
    'same_name': SAME_NAME,
    'last_number': PairingRule('last_number', last_number, last_number),
}


def pairing_rule(given: Rule) -> PairingRule:
    r"""Give the rule that a config names.

    Args:
        given: ``same_name``; ``last_number``, by which ``rain-001`` belongs to ``norain-1`` and to
            ``norain-1x2``; or a pair of a regular expression for the whole degraded name and what
            the clean name then is, such as ``['(.+)_rain', '\1_clean']``.

    Raises:
        ValueError: It is none of these.

    Examples:
        >>> rule = pairing_rule([r'(.+)_rain', r'\1_clean'])
        >>> rule.degraded_key('street_rain'), rule.degraded_key('street_fog')
        ('street_clean', None)
    """
    if isinstance(given, str) and given in RULES:
        return RULES[given]
    if isinstance(given, str):
        raise ValueError(
            f'pairing: no rule is called {given!r}. {suggest(given, RULES)} A rule of your own is '
            "a pair in brackets of its own: pairing: [['(.+)_rain', '\\1_clean']]."
        )
    check_expression(given, f'pairing: {given!r}')
    expression, fill = re.compile(given[0]), _filler(given[1])

    def clean_name(name: str) -> str | None:
        match = expression.fullmatch(name)
        return fill(match) if match else None

    return PairingRule(f'{given[0]} -> {given[1]}', clean_name, itself)


def _filler(template: str) -> Callable[[re.Match[str]], str]:
    r"""Give ``match.expand(template)``, which itself reads the template anew for each name."""
    # Odd entries are the numbers of groups.
    parts = re.split(r'\\(\d)', template)
    if any('\\' in part for part in parts[::2]):
        return lambda match: match.expand(template)
    pieces = [int(part) if i % 2 else part for i, part in enumerate(parts) if part]

    def fill(match: re.Match[str]) -> str:
        return ''.join((match[p] or '') if isinstance(p, int) else p for p in pieces)

    return fill


def check_expression(rule: Rule, what: str) -> None:
    """Refuse what is no pair of a regular expression and what it gives.

    Args:
        rule: The pair.
        what: Beginning of the message.

    Raises:
        ValueError: It is no pair, the expression is wrong, or it has too few groups.
    """
    if not isinstance(rule, list | tuple) or [type(part) for part in rule] != [str, str]:
        raise ValueError(
            f'{what} must be a pair of texts: a regular expression and what it stands for.'
        )
    try:
        groups = re.compile(rule[0]).groups
    except re.error as error:
        raise ValueError(f'{what}: {rule[0]!r} is no regular expression ({error}).') from error
    wanted = max(map(int, re.findall(r'\\(\d)', rule[1])), default=0)
    if wanted > groups:
        raise ValueError(
            f'{what}: {rule[0]!r} has {groups} groups in parentheses, but \\{wanted} is needed.'
        )
