"""Routers: ``router(x, context)`` gives a ``Routing``.

Built with ``stage``, ``num_experts``, ``top_k`` and own options.
"""

from irbox.routers.contextual_prior_router import ContextualPriorRouter
from irbox.routers.noisy_top_k_router import NoisyTopKRouter
from irbox.routers.pixel_router import PixelRouter

__all__ = ['ContextualPriorRouter', 'NoisyTopKRouter', 'PixelRouter']
