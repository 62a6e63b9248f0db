"""Restoring an image tile by tile, without a float copy of the whole anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from irbox.networks.tile_grid import DEFAULT_OVERLAP, Span, fade_weights, split_side


class Box(NamedTuple):
    """A tile's place in the image."""

    rows: Span
    columns: Span

    @property
    def pixels(self) -> int:
        """Count the pixels."""
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)

    def of(self, image: Any) -> Any:
        """Cut this place out of a tensor (..., H, W), without a copy."""
        return image[..., slice(*self.rows), slice(*self.columns)]


@dataclass(frozen=True)
class Grid:
    """How an image is cut into tiles: every row of tiles has the same columns."""

    rows: list[Span]
    columns: list[Span]

    @property
    def count(self) -> int:
        """Count the tiles."""
        return len(self.rows) * len(self.columns)

    @property
    def tile(self) -> tuple[int, int]:
        """Give height and width of the tiles."""
        first = self.rows[0], self.columns[0]
        return first[0].stop - first[0].start, first[1].stop - first[1].start


def make_grid(size: tuple[int, int], tile: tuple[int, int], overlap: int, multiple: int) -> Grid:
    """Cut an image of (height, width) into tiles of at most (height, width).

    Example:
        >>> grid = make_grid((520, 300), tile=(512, 512), overlap=32, multiple=8)
        >>> grid.count, grid.tile
        (2, (280, 300))
    """
    rows, columns = (
        split_side(length, most, overlap, multiple) for length, most in zip(size, tile, strict=True)
    )
    return Grid(rows, columns)


def blended_bands(grid: Grid, run: Callable[[Box], Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Run every tile of a grid and give the finished rows of the image from top to bottom.

    Only the rows that one row of tiles covers are held, so that memory does not grow with the
    height of the image.

    Args:
        grid: Of an image.
        run: From a tile's place to its answer (..., h, w).

    Yields:
        The first row and the rows (..., h, W), float32 on the CPU. They are overwritten by the
        next: copy what is to be kept.
    """
    down, across = fade_weights(grid.rows), fade_weights(grid.columns)
    # A last span may be the shorter one, by less than a multiple.
    height = max(stop - start for start, stop in grid.rows)
    nexts = [span.start for span in grid.rows[1:]] + [grid.rows[-1].stop]
    band: Tensor | None = None
    for rows, fade, following in zip(grid.rows, down, nexts, strict=True):
        for columns, weight in zip(grid.columns, across, strict=True):
            answer = run(Box(rows, columns)).float().cpu()
            if band is None:
                band = torch.zeros(*answer.shape[:-2], height, grid.columns[-1].stop)
            answer = answer * (fade[:, None] * weight)
            band[..., : len(fade), slice(*columns)] += answer
        assert band is not None
        done, kept = following - rows.start, rows.stop - following
        yield rows.start, band[..., :done, :]
        if kept > 0:
            band[..., :kept, :] = band[..., done : done + kept, :].clone()
        band[..., kept:, :] = 0


@torch.inference_mode()
def restore_tiled(
    network: nn.Module,
    image: Tensor,
    context: Any = None,
    *,
    tile: int | tuple[int, int],
    overlap: int | None = None,
) -> Tensor:
    """Restore images in tiles that share one context.

    What the network believes about an image is computed once, on the whole; each tile sees that
    and its own pixels. Attention over channels sees a tile's pixels only, so that the answer
    differs from that of the whole image.

    Args:
        network: In evaluation mode; its ``multiple`` is 1 where it names none.
        image: (B, 3, H, W), RGB, 0 to 1, on any device. Only tiles are moved to the network's.
        context: From ``network.describe``; computed from ``image`` where it is not given. The
            routings of all tiles are recorded in it.
        tile: Largest side of a tile, or largest height and width.
        overlap: Pixels that neighbors share; None is 32, or a quarter of smaller tiles: half of one
            may be shared at most.

    Returns:
        (B, 3, H, W), float32, not clipped, on the device of ``image``.

    Raises:
        ValueError: The tiles are too small to advance.
    """
    device = next((weight.device for weight in network.parameters()), image.device)
    describe: Any = network.describe
    context = describe(image.to(device)) if context is None else context
    sides = (tile, tile) if isinstance(tile, int) else tile
    if overlap is None:
        overlap = min(DEFAULT_OVERLAP, min(sides) // 4)
    height, width = image.shape[-2:]
    grid = make_grid((height, width), sides, overlap, getattr(network, 'multiple', 1))

    def run(box: Box) -> Tensor:
        pixels = box.of(image).to(device)
        return cast(Tensor, network(pixels, replace(context, image=pixels)))

    restored = torch.empty(image.shape, dtype=torch.float32, device=image.device)
    for top, rows in blended_bands(grid, run):
        restored[..., top : top + rows.shape[-2], :] = rows
    return restored
