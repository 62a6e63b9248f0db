"""Optimiser wrappers."""

from irbox.engine.optim.autocast_optim_wrapper import AutocastOptimWrapper

__all__ = ['AutocastOptimWrapper']
