"""Endless training draws that can start anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from irbox.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class DrawSampler(Sampler[tuple[int, int]]):
    """Yields ``(index, draw)`` for ever; where it starts is a number, so resuming costs nothing.

    The draws of a whole run are numbered 0, 1, 2, ... over all processes. Process ``rank`` of
    ``world_size`` yields draws ``start + rank + k * world_size`` for k = 0, 1, 2, ... Draw ``p``
    belongs to epoch ``p // len(dataset)`` and takes item
    ``permutation(seed, epoch)[p % len(dataset)]``, so every item comes once per epoch however many
    processes share it.

    Data sets seed all randomness of a sample with ``(seed, index, draw)``. A resumed run therefore
    sees what an uninterrupted one would have seen, without loading and throwing away the batches
    in between, which is what mmengine's ``InfiniteSampler`` would need.

    A data set may have ``draw_weights``, the probability of each item. An epoch then is as many
    independent draws with these probabilities as there are items, instead of each item once.

    Args:
        dataset: The data set to draw from; only its length and ``draw_weights`` are used.
        seed: Seed of the permutations, the same on all processes. A random one, agreed between the
            processes, by default (the Runner passes its own).
        shuffle: Permute the items anew in each epoch, instead of taking them in order.

    Raises:
        ValueError: The data set is empty, or it has weights and shall be taken in order.
    """

    def __init__(self, dataset: Sized, seed: int | None = None, shuffle: bool = True) -> None:
        if len(dataset) == 0:
            raise ValueError('The data set is empty: there is nothing to draw.')
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.weights = getattr(dataset, 'draw_weights', None)
        if self.weights is not None and not shuffle:
            raise ValueError(
                'shuffle=False takes the items in order, but the data set has weights to draw them '
                'by. Remove one of the two.'
            )
        self.rank, self.world_size = get_dist_info()
        self.start = 0

    def start_at(self, position: int) -> None:
        """Begin the next iteration at a draw number.

        Args:
            position: Draws already used, over all processes: iterations times batch size times
                number of processes.

        Raises:
            ValueError: The position is negative.
        """
        if position < 0:
            raise ValueError(
                f'position={position} must be at least 0: it counts the draws already used.'
            )
        self.start = position

    def __iter__(self) -> Iterator[tuple[int, int]]:
        size = len(self.dataset)
        current, order = None, np.arange(size)
        draw = self.start + self.rank
        while True:
            epoch, position = divmod(draw, size)
            if self.shuffle and epoch != current:
                current, order = epoch, self._order(epoch)
            yield int(order[position]), draw
            draw += self.world_size

    def _order(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, epoch))
        size = len(self.dataset)
        if self.weights is None:
            return rng.permutation(size)
        return rng.choice(size, size, p=self.weights)

    def __len__(self) -> int:
        """Count the items in an epoch (over all processes); the iteration itself never ends."""
        return len(self.dataset)
