"""What a network is made of: part by part, with parameters and cost."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

import irbox
from irbox.registry import BLOCKS, EXPERTS, MODELS, PRIORS, ROUTERS

_PARTS = (BLOCKS, ROUTERS, EXPERTS, PRIORS, MODELS)

# How the containers of RestorationUNet are called in configs.
_PLACES = {
    'before_levels': 'encoder {level}: before_level',
    'encoders': 'encoder {level}: block',
    'bottleneck': 'bottleneck: block',
    'before_upsamples': 'decoder {coarse}: before_upsample',
    'decoders': 'decoder {fine}: block',
    'refinement': 'refinement: decoder block',
}


# The order in which an image meets them; places of one phase alternate from level to level.
_PHASES = (
    ('prior', 'prompt', 'embed'),
    ('before_levels', 'encoders'),
    ('bottleneck',),
    ('before_upsamples', 'decoders'),
    ('refinement',),
)


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
        Rows in the order of the network; a last one holds what no registered part does (stem,
        resampling, output). A part's numbers include those of its nested parts.
    """
    found = [
        (path, group)
        for name, child in network.named_children()
        for path, group in _groups(name, child)
    ]
    found.sort(key=lambda item: _order(item[0]))
    claimed = {path for _, group in found for path, _ in group}
    rows = [row for path, group in found for row in _rows(_place(path, network), group, macs, 0)]
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
    """Trainable and frozen parameters."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in network.parameters()) - trainable


Group = list[tuple[str, nn.Module]]


def _registered(module: nn.Module) -> bool:
    return any(type(module) in registry.module_dict.values() for registry in _PARTS)


def _groups(path: str, module: nn.Module) -> Iterator[tuple[str, Group]]:
    """Registered parts below a module, equal neighbours of a list together."""
    if _registered(module):
        yield path, [(path, module)]
        return
    children = [(f'{path}.{name}', child) for name, child in module.named_children()]
    kinds = {type(child) for _, child in children}
    if len(kinds) == 1 and children and _registered(children[0][1]):
        yield path, children
        return
    for name, child in children:
        yield from _groups(name, child)


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
        for inner, nested in _groups(f'{path}.{name}', child):
            yield from _rows(inner.removeprefix(f'{path}.'), nested, macs, depth + 1)


def _place(path: str, network: nn.Module) -> str:
    name, _, rest = path.partition('.')
    if name not in _PLACES:
        return path
    levels = len(getattr(network, 'encoders', ())) + 1
    index = int(rest.partition('.')[0] or 0)
    return _PLACES[name].format(level=index + 1, coarse=levels - index, fine=levels - 1 - index)


def _order(path: str) -> tuple[int, int, int]:
    """Sorts parts as an image meets them; those of other networks stay in their order."""
    name, _, rest = path.partition('.')
    index = int(rest.partition('.')[0]) if rest.partition('.')[0].isdigit() else 0
    for phase, names in enumerate(_PHASES):
        if name in names:
            return phase, index, names.index(name)
    return 0, 0, 0


def _inside(name: str, paths: set[str]) -> bool:
    return any(name == path or name.startswith(f'{path}.') for path in paths)


def _macs(path: str, macs: Counter[str]) -> int:
    return sum(count for name, count in macs.items() if _inside(name, {path}))


def _file(part: type) -> str:
    path = Path(inspect.getfile(part)).resolve()
    root = Path(irbox.__file__).resolve().parents[1]
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
