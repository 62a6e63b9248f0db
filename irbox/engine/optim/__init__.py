"""Optimiser wrappers, and how they are built."""

from irbox.engine.optim.autocast_optim_wrapper import AutocastOptimWrapper
from irbox.engine.optim.restoration_optim_wrapper_constructor import (
    RestorationOptimWrapperConstructor,
)

__all__ = ['AutocastOptimWrapper', 'RestorationOptimWrapperConstructor']
