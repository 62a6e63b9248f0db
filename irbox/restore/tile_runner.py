"""One tile through the network: its precision, its checks, and what to do when memory is short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from irbox.networks.restore_tiled import Grid, blended_bands, make_grid
from irbox.networks.routing_places import RoutingPlaces
from irbox.restore.devices import computing_in
from irbox.restore.guard import find_fault
from irbox.restore.memory import is_out_of_memory, release_memory
from irbox.restore.report import ExpertUsage, Report
from irbox.structures import Context

SMALLEST = 32
"""Sides of tiles are not halved below."""


class GuardError(FloatingPointError):
    """An answer in full precision is not finite: there is nothing to give."""


@dataclass
class TileRunner:
    """Restores tiles, checks each, and repeats what went wrong.

    * An answer in half precision that is not finite, black or of another mean color is computed
      again in float32. Where that says the same color, the network means it, and later tiles are
      not asked again.
    * Where memory does not suffice and the size was not the user's, the tile is cut in two, and so
      are later ones; finished tiles stay.
    """

    network: nn.Module
    device: torch.device
    dtype: torch.dtype
    overlap: int
    report: Report
    fixed: bool = False
    """Whether the user set the size of the tiles: it is never overridden."""
    self_ensemble: bool = False
    """Mean of the answers to the eight flips and turns."""
    most: int | None = None
    """Pixels of the largest tile that memory holds, as it was found out on the way."""

    def __post_init__(self) -> None:
        self.usage = ExpertUsage()
        self._drifts = False

    def __call__(self, tile: Tensor, context: Context) -> Tensor:
        """Restore one tile.

        Args:
            tile: (1, 3, h, w) in 0 to 1, on the CPU.
            context: Of the whole picture.

        Returns:
            (1, 3, h, w), float32 on the CPU, not clipped.

        Raises:
            ValueError: Memory does not suffice, and the size may not be changed or is the smallest.
            GuardError: The answer in float32 is not finite.
        """
        pixels = tile.shape[-2] * tile.shape[-1]
        while self.most is None or pixels <= self.most:
            answer = self._try(lambda: self._guarded(tile, context))
            if answer is not None:
                return answer
            self._halve(tile)
        return self._in_parts(tile, context)

    def _try(self, run: Callable[[], Tensor]) -> Tensor | None:
        """None where memory did not suffice."""
        try:
            return run()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Out here the error is gone, and with it the tensors that its traceback held.
        release_memory(self.device)
        return None

    def _halve(self, tile: Tensor) -> None:
        height, width = tile.shape[-2:]
        if self.fixed:
            raise ValueError(
                f'The memory of {self.device} does not suffice for tiles of {height}x{width}, the '
                "size that was set. Set a smaller tile, or leave it at 'auto'."
            )
        grid = self._parts(tile)
        if max(height, width) <= SMALLEST or grid.count == 1:
            raise ValueError(
                f'The memory of {self.device} does not suffice for a tile of {height}x{width}, '
                'the smallest. Free memory, or choose another device.'
            )
        self.most = grid.tile[0] * grid.tile[1]
        self.report.note(
            f'out of memory at {height}x{width}: went on at {grid.tile[0]}x{grid.tile[1]}'
        )

    def _parts(self, tile: Tensor) -> Grid:
        """Two halves across the longer side, which share pixels as all tiles do."""
        height, width = tile.shape[-2:]
        multiple = getattr(self.network, 'multiple', 1)
        longer = max(height, width)
        overlap = min(self.overlap, longer // 4)
        half = (longer + overlap) // 2 + multiple
        size = (half, width) if height >= width else (height, half)
        return make_grid((height, width), size, overlap, multiple)

    def _in_parts(self, tile: Tensor, context: Context) -> Tensor:
        answer = torch.empty_like(tile)
        for top, rows in blended_bands(self._parts(tile), lambda box: self(box.of(tile), context)):
            answer[..., top : top + rows.shape[-2], :] = rows
        return answer

    def _guarded(self, tile: Tensor, context: Context) -> Tensor:
        answer = self._restore(tile, context, self.dtype)
        fault = find_fault(tile, answer)
        if fault is None or (self._drifts and 'color' in fault):
            return answer
        if self.dtype != torch.float32:
            half = str(self.dtype).removeprefix('torch.')
            self.report.note(f'a tile was {fault} in {half}: computed again in float32')
            answer = self._restore(tile, context, torch.float32)
            fault = find_fault(tile, answer)
        if fault == 'not finite':
            raise GuardError(
                'The restored picture is not finite, in float32 too: the weights or the network '
                'are broken. Nothing was written.'
            )
        if fault is not None:
            self._drifts = self._drifts or 'color' in fault
            self.report.note(f'look at the result: a part of it is {fault}')
        return answer

    def _restore(self, tile: Tensor, context: Context, dtype: torch.dtype) -> Tensor:
        if not self.self_ensemble:
            return self._forward(tile, context, dtype)
        total: Any = 0
        for turns in range(4):
            for flip in (False, True):
                turned = torch.rot90(tile.flip(-1) if flip else tile, turns, (-2, -1))
                answer = torch.rot90(self._forward(turned, context, dtype), -turns, (-2, -1))
                total = total + (answer.flip(-1) if flip else answer)
        return cast(Tensor, total / 8)

    def _forward(self, tile: Tensor, context: Context, dtype: torch.dtype) -> Tensor:
        image = tile.to(self.device)
        answer: Tensor
        own = replace(context, image=image, routings=[])
        with computing_in(self.device, dtype):
            if self.usage.places is not None:
                answer = self.network(image, own)
            else:
                with RoutingPlaces(self.network) as places:
                    answer = self.network(image, own)
                self.usage.places = places
        self.usage.add(own.routings)
        return answer.float().cpu()
