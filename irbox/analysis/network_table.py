"""What a network is made of: part by part, with parameters and cost."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

import irbox
from irbox.registry import part_kinds


@dataclass(frozen=True)
class Row:
    """One line of the description."""

    place: str
    """Where in the network, in the words of configs; parts inside of parts are indented."""
    part: str
    """Class, with how often it stands there in a row."""
    file: str
    """Its source, relative to the folder that holds the package where it is inside."""
    parameters: int
    macs: int


def describe(network: nn.Module, macs: Counter[str]) -> list[Row]:
    """List the registered parts of a network, nested parts below the part that holds them.

    Args:
        network: A network from ``irbox.build_network``.
        macs: From ``irbox.analysis.count_macs.count_macs``.

    Returns:
        Rows in the order of the network's places; a last one holds what no registered part does
        (stem, resampling, output). A part's numbers include those of its nested parts.
    """
    paths = {module: path for path, module in network.named_modules()}
    found = [
        (place, group)
        for name, module in places_of(network).items()
        for place, group in _groups(name, paths[module], module)
    ]
    claimed = {path for _, group in found for path, _ in group}
    rows = [row for place, group in found for row in _rows(place, group, macs, 0)]
    rest = [
        (name, module)
        for name, module in network.named_modules()
        if not _inside(name, claimed) and not list(module.children())
    ]
    rows.append(
        Row(
            place='rest: stem, resampling, output',
            part='',
            file=_file(type(network)),
            parameters=sum(p.numel() for _, module in rest for p in module.parameters()),
            macs=macs.total() - sum(_macs(name, macs) for name in claimed),
        )
    )
    return rows


def count_parameters(network: nn.Module) -> tuple[int, int]:
    """Count trainable and frozen parameters."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in network.parameters()) - trainable


def places_of(network: nn.Module) -> dict[str, nn.Module]:
    """Map names to what a network declares (``RestorationNetwork.places``), or its children."""
    declared = getattr(network, 'places', None)
    return declared() if callable(declared) else dict(network.named_children())


def without_prior(network: nn.Module, counts: Mapping[str, int]) -> int:
    """Sum what is counted by name of a module or weight, without the network's prior.

    The published figures leave the prior out.
    """
    prior = places_of(network).get('prior')
    paths = {path for path, module in network.named_modules() if module is prior}
    return sum(count for name, count in counts.items() if not _inside(name, paths))


Group = list[tuple[str, nn.Module]]


def _registered(module: nn.Module) -> bool:
    return any(type(module) in kind.registry.module_dict.values() for kind in part_kinds())


def _groups(place: str, path: str, module: nn.Module) -> Iterator[tuple[str, Group]]:
    """Registered parts of a place and where they stand, equal neighbours of a list together."""
    if _registered(module):
        yield place, [(path, module)]
        return
    children = [(f'{path}.{name}', child) for name, child in module.named_children()]
    kinds = {type(child) for _, child in children}
    if len(kinds) == 1 and children and _registered(children[0][1]):
        yield place, children
        return
    for name, child in module.named_children():
        yield from _groups(f'{place}.{name}', f'{path}.{name}', child)


def _rows(place: str, group: Group, macs: Counter[str], depth: int) -> Iterator[Row]:
    path, first = group[0]
    times = f' x{len(group)}' if len(group) > 1 else ''
    yield Row(
        place='  ' * depth + place,
        part=type(first).__name__ + times,
        file=_file(type(first)),
        parameters=sum(p.numel() for _, module in group for p in module.parameters()),
        macs=sum(_macs(name, macs) for name, _ in group),
    )
    for name, child in first.named_children():
        for inner, nested in _groups(name, f'{path}.{name}', child):
            yield from _rows(inner, nested, macs, depth + 1)


def _inside(name: str, paths: set[str]) -> bool:
    return any(name == path or name.startswith(f'{path}.') for path in paths)


def _macs(path: str, macs: Counter[str]) -> int:
    return sum(count for name, count in macs.items() if _inside(name, {path}))


def _file(part: type) -> str:
    path = Path(inspect.getfile(part)).resolve()
    root = Path(irbox.__file__).resolve().parents[1]
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
