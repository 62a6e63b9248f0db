"""Trainings that go on and teach nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor

from irbox.engine.wrapping import unwrapped
from irbox.networks.routing_places import RoutingPlaces
from irbox.registry import HOOKS
from irbox.structures import Context
from irbox.utils.bounded import PositiveInt


@HOOKS.register_module()
class SignsOfLifeHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Warns of experts that no pixel visits any more, and of a loss that does not move at all.

    Routers that begin to favour some experts starve the others, which then never learn; a balance
    loss is to prevent it, and nobody sees where it does not. So the routings of some iterations are
    looked at, and an expert that got nothing in all of them is named with its place. A loss that
    has not fallen from the first tenth of some iterations to the last, by twice its standard error,
    is named as well.

    Args:
        looks: After so many an expert is dead, and may be named again.
        every: Iterations from one look to the next.
        flat: Iterations after which the loss must have fallen; shorter trainings are not judged.
    """

    priority = 'LOW'

    def __init__(
        self, looks: PositiveInt = 100, every: PositiveInt = 10, flat: PositiveInt = 1000
    ) -> None:
        self.looks, self.every, self.flat = looks, every, flat
        self.places: list[str] | None = None

    def before_train(self, runner: Any) -> None:
        """Begin anew, a resumed training too."""
        self.visits: list[Tensor] = []
        self.seen = 0
        self.losses: list[Tensor] = []
        self.begun = runner.iter
        self._listening: Any = None

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Listen to the network, if it is time."""
        if not self.every_n_train_iters(runner, self.every):
            return
        network: Any = getattr(unwrapped(runner.model), 'network', None)
        if network is None:
            return  # a model of somebody's own, with no routings that are known
        named = None
        if self.places is None:
            named = RoutingPlaces(network)
            self.places = named.__enter__()

        def heard(module: Any, inputs: tuple[Any, ...], output: Any) -> None:
            # One look an iteration, in which `model.again` and repeated steps run it once more.
            self._listening.remove()
            if named is not None:
                named.__exit__()
            context = next((one for one in inputs if isinstance(one, Context)), None)
            self._add([] if context is None else [one.weights for one in context.routings])

        self._listening = network.register_forward_hook(heard)

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Say what was seen, if enough was."""
        if self._listening is not None:
            self._listening.remove()
            self._listening = None
        if self.seen == self.looks:
            self._name_dead(runner)
            self.visits, self.seen = [], 0
        if (
            self.begun == 0
            and runner.iter < self.flat
            and outputs is not None
            and 'loss' in outputs
        ):
            self._follow(runner, outputs['loss'].detach())

    @torch.no_grad()
    def _add(self, weights: list[Tensor]) -> None:
        counts = [(one > 0).sum((0, 2, 3)) for one in weights]
        self.seen += 1
        known = len(self.visits) == len(counts)
        self.visits = [a + b for a, b in zip(self.visits, counts, strict=True)] if known else counts

    def _name_dead(self, runner: Any) -> None:
        dead = []
        for number, visits in enumerate(self.visits):
            experts = [at + 1 for at, count in enumerate(visits.tolist()) if not count]
            places = self.places or []
            place = places[number] if number < len(places) else f'place {number + 1}'
            if experts:
                named = ', '.join(map(str, experts))
                dead.append(f'expert {named} of {len(visits)} at {place}')
        if dead:
            runner.logger.warning(
                f'Iteration {runner.iter + 1}: no pixel visits {"; ".join(dead)}, in '
                f'{self.looks} looks over {self.looks * self.every} iterations. Raise the weight '
                "of the balance loss, or the router's noise."
            )

    def _follow(self, runner: Any, loss: Tensor) -> None:
        window, done = max(self.flat // 10, 2), runner.iter + 1
        if done <= window or self.flat - window < done <= self.flat:
            # On the device: they are read once.
            self.losses.append(loss)
        if done != self.flat:
            return
        first, last = torch.stack(self.losses).double().cpu().view(2, window)
        self.losses = []
        error = math.sqrt((float(first.var()) + float(last.var())) / window)
        if float(first.mean() - last.mean()) <= 2 * error:
            runner.logger.warning(
                f'Iteration {self.flat}: the loss has not fallen, {float(first.mean()):.4g} in the '
                f'first {window} iterations and {float(last.mean()):.4g} in the last (standard '
                f'error {error:.2g}). Look whether the learning rate is too small or too large, '
                'weights are frozen, or inputs and targets belong together.'
            )
