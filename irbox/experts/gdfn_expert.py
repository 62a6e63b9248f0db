"""Restormer's feed-forward layer as an expert."""

from __future__ import annotations

from irbox.layers.feed_forward import GatedFeedForward
from irbox.registry import EXPERTS
from irbox.utils.bounded import PositiveFloat


@EXPERTS.register_module()
class GDFNExpert(GatedFeedForward):
    """Gated feed-forward layer that sees each pixel's neighbours (GDFN).

    Since it does, every expert runs on the whole map, whatever was routed to it. At ratio 1 it has
    about the weights of ``MLPExpert`` at 1.5; M2IR's cost does not tell them apart.

    Args:
        dim: Number of channels.
        ratio: Width of a branch relative to ``dim``, rounded down.
    """

    def __init__(self, dim: int, ratio: PositiveFloat = 1.0) -> None:
        super().__init__(dim, ratio)
