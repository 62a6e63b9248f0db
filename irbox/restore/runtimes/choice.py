"""Which runtime was the fastest on a machine, remembered beside the network that it computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

import irbox
from irbox.graphs.engines import TITLES, engine_version
from irbox.utils.files import write_text
from irbox.utils.processor import processor_name

TIE = 0.03
"""Share by which another program must be faster than torch to be taken."""


@dataclass(frozen=True)
class Choice:
    """Which runtime is taken, and why."""

    runtime: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of a picture of ``TRIAL``, by runtime: torch's, and of those whose answers are equal."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Runtime -> why it was not tried to the end."""

    def __str__(self) -> str:
        """Say it in a line."""
        times = [
            f'{name} {seconds:.3g} s'
            for name, seconds in sorted(self.seconds.items(), key=lambda one: one[1])
        ]
        left = [f'not {name}: {reason}' for name, reason in self.skipped.items()]
        return '; '.join([', '.join(times), *left] if times else left)


def fastest(seconds: Mapping[str, float]) -> str:
    """Name the fastest runtime; torch where it is as fast as another, but for ``TIE``."""
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < seconds['torch'] * (1 - TIE) else 'torch'


def machine_facts(dtype: torch.dtype) -> dict[str, str]:
    """Say what decides which runtime is the fastest, beside the network."""
    has: dict[str, object] = getattr(torch.cpu, 'get_capabilities', dict)()
    versions = {name: engine_version(name) or 'not installed' for name in TITLES}
    return {
        'processor': processor_name(),
        'instructions': ' '.join(sorted(name for name, value in has.items() if value is True)),
        'threads': str(torch.get_num_threads()),
        'precision': str(dtype).removeprefix('torch.'),
        'irbox': irbox.__version__,
        'torch': torch.__version__,
        **versions,
    }


def recall(path: Path, facts: Mapping[str, str]) -> Choice | None:
    """Read what was chosen under the same circumstances; None where nothing was, or unreadably."""
    for entry in _read(path):
        if isinstance(entry, dict) and entry.get('machine') == facts:
            try:
                choice = Choice(**entry['choice'])
                str(choice)
            except (KeyError, TypeError, ValueError, AttributeError):
                return None
            known = choice.runtime == 'torch' or choice.runtime in TITLES
            return choice if known else None
    return None


def remember(path: Path, facts: Mapping[str, str], choice: Choice) -> None:
    """Keep a choice; those under other circumstances stay."""
    others = [
        entry for entry in _read(path) if isinstance(entry, dict) and entry.get('machine') != facts
    ]
    entry = {'machine': dict(facts), 'choice': asdict(choice)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps([*others, entry], indent=1) + '\n')


def _read(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
