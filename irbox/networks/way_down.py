"""The way down of networks that have nothing but levels there."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from irbox.structures import Context, Features


def way_down(
    x: Tensor, encoders: Iterable[nn.Module], downs: Iterable[nn.Module], context: Context
) -> tuple[Tensor, list[Tensor]]:
    """Run levels and what leads from each to the next, and keep what each of them found.

    Args:
        x: (B, C, H, W).
        encoders: The levels, each called with the context.
        downs: What makes its features smaller, one for each level.
        context: Gets each level's ``Features``.

    Returns:
        What comes out at the bottom, and the features of each level, the first first.
    """
    skips: list[Tensor] = []
    for encoder, down in zip(encoders, downs, strict=True):
        skips.append(encoder(x, context))
        context.record(Features(skips[-1], f'encoder {len(skips)}'))
        x = down(skips[-1])
    return x, skips
