"""Print the state of the house: rooms and their sizes, who imports whom, what is left to tidy.

``python tools/house.py`` measures this tree; ``--before PATH`` sets another checkout beside it. The
floors are those of the map in ``docs/architecture.md``, the law of ``tests/test_imports.py`` too.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / 'docs' / 'architecture.md'
FACE = '__init__'
"""Room of ``irbox/__init__.py``: who imports ``irbox`` itself asks for a version or the folder."""
OUTSIDE = ('plugins', 'tools')
"""Rooms on the map that are no folders of the package."""
BRICKS = ('torch.load', 'os.replace')
"""Functions that one module each may call: the safe reader and the atomic writer."""
CONSTRUCTORS = ('__init__', '__post_init__')

# The bars of tests/test_house.py.
LARGEST_SHARE = 0.16
ARROWS_UP = 1


def read_floors(path: Path = MAP) -> dict[str, int]:
    """Read the floor of each room from the map's table, whose rows begin with floor and room."""
    rows = re.findall(
        r'^\| *(\d+) *\| *`(\w+)` *\|', path.read_text(encoding='utf-8'), re.MULTILINE
    )
    return {room: int(floor) for floor, room in rows}


@dataclass
class House:
    """What is counted in one checkout."""

    files: Counter[str] = field(default_factory=Counter)
    """Room -> files; a module of ``irbox/`` itself is a room of its own."""
    lines: Counter[str] = field(default_factory=Counter)
    circles: list[list[str]] = field(default_factory=list)
    """Rooms that import each other, directly or around corners; without the face."""
    arrows_up: list[str] = field(default_factory=list)
    """``FILE -> ROOMS``: files that import from rooms that are no lower floors."""
    sites: dict[str, list[str]] = field(default_factory=dict)
    """Name of a brick -> ``FILE:LINE`` of its uses in the package, the plug-ins and the tools."""
    guards: list[str] = field(default_factory=list)
    """``FILE:LINE`` of each ``raise`` in a constructor."""
    untested: list[str] = field(default_factory=list)
    """Modules that no file in ``tests/`` imports, and without a test file of their path."""

    @property
    def largest(self) -> tuple[str, float]:
        """Give the room with the most lines, and its share of the package."""
        room, lines = self.lines.most_common(1)[0]
        return room, lines / self.lines.total()


def measure(root: Path, floors: Mapping[str, int]) -> House:
    """Count everything in a checkout.

    Args:
        root: Holds ``irbox/``, ``plugins/``, ``tools/`` and ``tests/``.
        floors: Room -> floor; rooms that it does not know have no arrows.

    Raises:
        FileNotFoundError: There is no package in it.
    """
    if not (root / 'irbox' / '__init__.py').is_file():
        raise FileNotFoundError(f'{root} is no checkout of irbox: it has no irbox/__init__.py.')
    house = House(sites={brick: [] for brick in BRICKS})
    graph: dict[str, set[str]] = {}
    paths = sorted((root / 'irbox').rglob('*.py'))
    rooms = {room_of(path, root) for path in paths} - {FACE}
    for path in paths:
        text = path.read_text(encoding='utf-8')
        file, room, tree = path.relative_to(root).as_posix(), room_of(path, root), ast.parse(text)
        house.files[room] += 1
        house.lines[room] += len(text.splitlines())
        house.guards += [f'{file}:{line}' for line in _guards(tree)]
        targets = {name.split('.')[1] for name in imported_names(tree) if name.startswith('irbox.')}
        targets = (targets & rooms) - {room}
        graph.setdefault(room, set()).update(targets)
        up = [one for one in sorted(targets) if floors.get(one, -1) >= floors.get(room, 0)]
        house.arrows_up += [f'{file} -> {", ".join(up)}'] if up else []
    house.circles = _circles({room: targets for room, targets in graph.items() if room != FACE})
    for path in sorted(p for folder in ('irbox', *OUTSIDE) for p in (root / folder).rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for brick in BRICKS:
            file = path.relative_to(root).as_posix()
            house.sites[brick] += [f'{file}:{line}' for line in _uses(tree, brick)]
    house.untested = _untested(root)
    return house


def room_of(path: Path, root: Path = ROOT) -> str:
    """Name the room of a file: a folder of the package or beside it, or a module of the ground."""
    first, second, *_ = (*path.relative_to(root).parts, '')
    return second.removesuffix('.py') if first == 'irbox' else first


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Give the full name of everything that a file imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def _circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Rooms that can be left and reached again."""
    reach = {room: set(targets) for room, targets in graph.items()}
    for middle in graph:
        for targets in reach.values():
            if middle in targets:
                targets |= reach[middle]
    rings = {
        tuple(sorted(other for other in targets & set(graph) if room in reach[other]))
        for room, targets in reach.items()
        if room in targets
    }
    return [list(ring) for ring in sorted(rings)]


def _uses(tree: ast.AST, brick: str) -> Iterator[int]:
    """Lines that name a function of a module, such as ``torch.load``, however it was imported."""
    module, _, function = brick.rpartition('.')
    spellings = {f'{module}.{function}'}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            spellings |= {f'{one.asname}.{function}' for one in node.names if one.name == module}
        elif isinstance(node, ast.ImportFrom) and node.module == module:
            yield from (node.lineno for one in node.names if one.name == function)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in spellings:
            yield node.lineno


def _guards(tree: ast.AST) -> Iterator[int]:
    """Lines of the ``raise`` statements in constructors, not of those in what they call."""
    for owner in ast.walk(tree):
        for method in owner.body if isinstance(owner, ast.ClassDef) else ():
            if isinstance(method, ast.FunctionDef) and method.name in CONSTRUCTORS:
                yield from (node.lineno for node in ast.walk(method) if isinstance(node, ast.Raise))


def _untested(root: Path) -> list[str]:
    """Modules without a test of their path that no test imports, by name or through a package."""
    modules = {
        '.'.join(path.relative_to(root).with_suffix('').parts): path
        for path in sorted((root / 'irbox').rglob('*.py'))
        if path.name != '__init__.py'
    }
    # What a package hands on: irbox.experts.MLPExpert is irbox.experts.mlp_expert.MLPExpert.
    handed_on: dict[str, str] = {}
    for path in sorted((root / 'irbox').rglob('__init__.py')):
        package = '.'.join(path.relative_to(root).parent.parts)
        for name in imported_names(ast.parse(path.read_text(encoding='utf-8'))):
            handed_on[f'{package}.{name.rpartition(".")[2]}'] = name
    seen: set[str] = set()
    for path in sorted((root / 'tests').rglob('*.py')):
        for name in imported_names(ast.parse(path.read_text(encoding='utf-8'))):
            while name in handed_on and handed_on[name] != name:
                name = handed_on[name]
            seen |= {name, name.rpartition('.')[0]}
    return [
        name
        for name, path in modules.items()
        if name not in seen and not _has_test_file(path.relative_to(root / 'irbox'), root / 'tests')
    ]


def _has_test_file(module: Path, tests: Path) -> bool:
    return (tests / module.parent / f'test_{module.name}').is_file()


def import_time(root: Path, times: int = 7) -> float:
    """Measure ``import irbox`` in processes of their own: the fastest of some, in milliseconds."""
    code = 'from time import perf_counter as t; a = t(); import irbox; print(1000 * (t() - a))'
    command = [sys.executable, '-c', code]
    return min(float(subprocess.check_output(command, cwd=root, text=True)) for _ in range(times))


def table(houses: Sequence[House]) -> str:
    """Write the figures of one house, or of two side by side, the older one first."""
    rooms = sorted({room for house in houses for room in house.lines} - {FACE})
    rows: list[list[str]] = [['room', *['files', 'lines'] * len(houses)]]
    for room in [FACE, *rooms]:
        cells = [
            str(count[room] or '-') for house in houses for count in (house.files, house.lines)
        ]
        rows.append([f'irbox/{room}', *cells])
    totals = [str(c.total()) for house in houses for c in (house.files, house.lines)]
    rows.append(['all', *totals])
    return '\n'.join(_aligned(rows))


def summary(houses: Sequence[House]) -> str:
    """Write what is judged, each with its bar, for one house or two."""
    rows = [['', *(['before', 'after'] if len(houses) == 2 else ['now']), 'bar']]
    largest = [f'{house.largest[0]} {house.largest[1]:.1%}' for house in houses]
    rows.append(['biggest room', *largest, f'at most {LARGEST_SHARE:.0%}'])
    rows.append(['circles', *[str(len(house.circles)) for house in houses], '0'])
    rows.append(['arrows up', *[str(len(h.arrows_up)) for h in houses], f'at most {ARROWS_UP}'])
    for brick in BRICKS:
        rows.append([f'sites of {brick}', *[str(len(h.sites[brick])) for h in houses], '1'])
    rows.append(['guards in constructors', *[str(len(house.guards)) for house in houses], ''])
    rows.append(['modules without a test', *[str(len(house.untested)) for house in houses], ''])
    return '\n'.join(_aligned(rows))


def details(house: House) -> str:
    """Write where the counted things are."""
    parts = {
        'circle': [' <-> '.join(ring) for ring in house.circles],
        'arrow up': house.arrows_up,
        **house.sites,
        'without a test': house.untested,
    }
    return '\n'.join(f'{what}: {one}' for what, found in parts.items() for one in found)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield '  '.join([first.ljust(widths[0]), *cells]).rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description='Print the state of the house.')
    parser.add_argument('--before', type=Path, metavar='PATH', help='another checkout, to compare')
    parser.add_argument('--time', action='store_true', help='time `import irbox`, too')
    args = parser.parse_args(arguments)
    roots = [*([args.before.resolve()] if args.before else []), ROOT]
    floors = read_floors()
    try:
        houses = [measure(root, floors) for root in roots]
    except FileNotFoundError as error:
        parser.error(str(error))
    print(table(houses), summary(houses), details(houses[-1]), sep='\n\n')
    if args.time:
        times = ', '.join(f'{import_time(root):.1f} ms' for root in roots)
        print(f'\nimport irbox, the fastest of seven: {times}')


if __name__ == '__main__':
    main()
