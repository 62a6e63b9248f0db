"""Whether another program gives torch's answers, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.graphs.agreement import DRAWS, FEW, LIMIT, difference_of, share_of_pixels
from irbox.restore.devices import computing_in
from irbox.structures import Context

TRIAL = (256, 256)
"""Height and width of what runtimes are timed on."""
CHECK = (75, 90)
"""Height and width of what is compared at each start: no multiple of anything."""
RUNS = 3
HALF = 2.0
"""How many times as far from float32 as torch's own bfloat16 another program's may be, in the root
of the mean square."""
CPU = torch.device('cpu')


def probe(size: tuple[int, int], number: int) -> Tensor:
    """Draw an image, (1, 3, H, W) in 0 to 1: coarse shapes under fine noise, always the same."""
    generator = torch.Generator().manual_seed(number)
    coarse = torch.rand(1, 3, 5, 7, generator=generator)
    fine = torch.randn(1, 3, *size, generator=generator)
    shapes = F.interpolate(coarse, size, mode='bicubic', align_corners=False)
    return (shapes + 0.05 * fine).clamp(0, 1)


class Probes:
    """Images with torch's answers, beside which other programs are set.

    Args:
        network: In torch, on the CPU.
        dtype: That is computed in: float32 or bfloat16.
        size: Height and width.
        clock: Gives seconds.
    """

    def __init__(
        self,
        network: Any,
        dtype: torch.dtype,
        size: tuple[int, int],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.network, self.dtype, self.size, self.clock = network, dtype, size, clock
        self._answers: dict[int, tuple[Tensor, Context, Tensor]] = {}

    def fault(self, other: nn.Module) -> str | None:
        """Say in which way another program's answers are not torch's, or None.

        In float32 no value may differ by more than ``LIMIT`` of the answer's deviation. A pixel
        that is undecided between two experts may be, with what is around it: then another image is
        looked at, as in an export. In bfloat16, where each program rounds elsewhere, answers may
        lie ``HALF`` times as far from float32 as torch's own.

        Args:
            other: Called as the network is.
        """
        difference = 0.0
        for number in range(DRAWS):
            image, context, expected = self._answer(number)
            answer = _run(other, image, context, self.dtype)
            if answer.shape != expected.shape or not answer.isfinite().all():
                return 'its answer is not finite, or of another size'
            if self.dtype != torch.float32:
                off, own = _distance(answer, expected), _distance(self._half, expected)
                return None if off <= HALF * own else f'off {off:.2g}, torch in its place {own:.2g}'
            difference = difference_of(answer.numpy(), expected.numpy())
            if difference <= LIMIT:
                return None
            if share_of_pixels(answer.numpy(), expected.numpy()) > FEW:
                break
        return (
            f'its answer differs from torch by {difference:.2g} of the deviation, more than '
            f'{LIMIT:g}'
        )

    def seconds(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Give the least of a few runs of each, which take turns after a first that is not counted.

        Args:
            networks: By name, each called as the network is.
        """
        image, context, _ = self._answer(0)
        found = dict.fromkeys(networks, float('inf'))
        for turn in range(RUNS + 1):
            for name, network in networks.items():
                start = self.clock()
                _run(network, image, context, self.dtype)
                if turn:
                    found[name] = min(found[name], self.clock() - start)
        return found

    @torch.inference_mode()
    def _answer(self, number: int) -> tuple[Tensor, Context, Tensor]:
        if number not in self._answers:
            image = probe(self.size, number)
            context = self.network.describe(image)
            answer = _run(self.network, image, context, torch.float32)
            self._answers[number] = image, context, answer
        return self._answers[number]

    @cached_property
    def _half(self) -> Tensor:
        image, context, _ = self._answer(0)
        return _run(self.network, image, context, self.dtype)


@torch.inference_mode()
def _run(network: Any, image: Tensor, context: Context, dtype: torch.dtype) -> Tensor:
    own = Context(image, context.prior, context.prompt)
    with computing_in(CPU, dtype):
        answer: Tensor = network(image, own)
    return answer.float()


def _distance(answer: Tensor, expected: Tensor) -> float:
    return float((answer - expected).square().mean().sqrt())
