"""How large the tiles of a picture are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from irbox.networks.restore_tiled import Grid, make_grid
from irbox.networks.tile_grid import DEFAULT_OVERLAP
from irbox.restore.memory import format_memory, free_memory, parse_memory, used_memory
from irbox.restore.memory_need import SIDES, MemoryNeed
from irbox.restore.report import Report
from irbox.restore.tile_runner import SMALLEST

SHARE = 0.8
"""Of what is free: other programs want some, too."""
CPU_WORK = 768 * 2**20
"""Bytes that tiles on a CPU take unless ``max_memory`` allows more: a full-size network restores
any picture in 3 GiB with them (docs/restoring.md)."""


@dataclass
class TileChoice:
    """How a picture is cut, and whether the user said so."""

    grid: Grid
    overlap: int
    """Pixels that tiles share; where there is one, those of its parts, should memory run out."""
    fixed: bool


def choose_tiles(
    size: tuple[int, int],
    tile: int | tuple[int, int] | str | None,
    overlap: int | None,
    multiple: int,
    device: torch.device,
    need: Callable[[], MemoryNeed],
    report: Report,
    max_memory: str | int | None = None,
    result_bytes: int = 0,
) -> TileChoice:
    """Choose how to cut a picture; says what it chose in the report.

    Args:
        size: Height and width of the picture.
        tile: ``'auto'``: the largest that memory holds, the whole picture if it does. ``'none'``
            or None: the whole. A number: the largest side; or (height, width).
        overlap: Pixels that neighbors share; None is 32, less where tiles are small.
        multiple: The network's.
        device: That computes.
        need: Measures the network's need of memory; called only where it matters.
        report: That takes the notes.
        max_memory: What this process may hold at most: of the main memory on a CPU, of the
            accelerator's on one. The tiles that the user set are checked against it.
        result_bytes: What the answer takes in the main memory.

    Raises:
        ValueError: A value is no tile, overlap or memory, or ``max_memory`` does not suffice.
    """
    sides = _sides(tile, size)
    limit = None if max_memory is None else parse_memory(max_memory)
    fixed = sides is not None
    if sides is None:
        sides = _largest(size, device, need, limit, result_bytes)
    elif limit is not None:
        _check_fits(sides, size, device, need(), limit)
    shared = _overlap(overlap, sides, size, multiple)
    grid = make_grid(size, sides, shared, multiple)
    if grid.count > 1:
        why = 'as set' if fixed else 'the largest that memory allows'
        report.note(
            f'{grid.count} tiles of {grid.tile[0]}x{grid.tile[1]} that share {shared} ({why}): '
            'attention over channels sees one tile at a time'
        )
    report.tile, report.tiles, report.overlap = grid.tile, grid.count, shared
    if grid.count == 1:
        shared = DEFAULT_OVERLAP if overlap is None else overlap
    return TileChoice(grid, shared, fixed)


def _sides(
    tile: int | tuple[int, int] | str | None, size: tuple[int, int]
) -> tuple[int, int] | None:
    """Height and width that the user set, or None for auto."""
    if tile == 'auto':
        return None
    if tile is None or tile == 'none':
        return size
    sides = (tile, tile) if isinstance(tile, int) else tile
    if (
        isinstance(tile, (bool, str))
        or not isinstance(sides, (tuple, list))
        or len(sides) != 2
        or not all(isinstance(side, int) and side > 0 for side in sides)
    ):
        raise ValueError(
            f"tile={tile!r} must be 'auto', 'none', a number of pixels or (height, width)."
        )
    return sides[0], sides[1]


def _overlap(
    overlap: int | None, sides: tuple[int, int], size: tuple[int, int], multiple: int
) -> int:
    """Pixels that neighbors share: 0 where there are none."""
    if overlap is not None and (
        isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0
    ):
        raise ValueError(f'overlap={overlap!r} must be a whole number of pixels, 0 or more.')
    cut = [side for side, whole in zip(sides, size, strict=True) if side < whole]
    if not cut:
        return 0
    if overlap is None:
        # Tiles of one multiple can only lie side by side.
        return min(DEFAULT_OVERLAP, min(cut) // 4) if min(cut) >= 2 * multiple else 0
    if overlap > min(cut) // 2:
        # No pixel is then computed more than twice along a side.
        raise ValueError(
            f'overlap={overlap} is more than half of a tile of {min(cut)}. Take larger tiles or a '
            'smaller overlap.'
        )
    return overlap


def _check_fits(
    sides: tuple[int, int],
    size: tuple[int, int],
    device: torch.device,
    need: MemoryNeed,
    limit: int,
) -> None:
    """Refuse tiles that the user set, rather than change them."""
    height, width = min(sides[0], size[0]), min(sides[1], size[1])
    wanted, used = need.of(height * width), used_memory(device)
    if used + wanted > limit:
        raise ValueError(
            f'tile={height}x{width} needs about {format_memory(wanted)} beside the '
            f'{format_memory(used)} in use, more than max_memory={format_memory(limit)}. Set a '
            "smaller tile, or leave it at 'auto'."
        )


def _largest(
    size: tuple[int, int],
    device: torch.device,
    need: Callable[[], MemoryNeed],
    limit: int | None,
    result_bytes: int,
) -> tuple[int, int]:
    """Height and width of the largest tile, nearly square, or the whole picture."""
    if size[0] * size[1] <= SIDES[1] ** 2 and limit is None:
        return size  # less than the measuring itself would take
    available = SHARE * free_memory(device)
    if device.type == 'cpu' and limit is None:
        available = min(available, CPU_WORK)
    wanted = need()
    if limit is not None:
        available = min(available, limit - used_memory(device))
    if device.type == 'cpu' and limit is not None:
        # The answer, and the rows that are not finished: three floats a pixel.
        available -= result_bytes
        available -= 12 * size[1] * min(math.isqrt(wanted.pixels(available)), size[0])
    most = wanted.pixels(available)
    if most < min(SMALLEST**2, size[0] * size[1]):
        smallest = wanted.of(SMALLEST**2)
        what = 'Free memory.' if limit is None else 'Allow a larger max_memory.'
        raise ValueError(
            f'{format_memory(max(available, 0))} are left for tiles, but the smallest '
            f'({SMALLEST}x{SMALLEST}) needs about {format_memory(smallest)}. {what}'
        )
    if size[0] * size[1] <= most:
        return size
    shorter = min(*size, math.isqrt(most))
    longer = most // shorter
    return (shorter, longer) if size[0] <= size[1] else (longer, shorter)
