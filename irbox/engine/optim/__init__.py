"""Optimiser wrappers, how they are built, and schedules of the learning rate."""

from irbox.engine.optim.amp_optim_wrapper import AmpOptimWrapper
from irbox.engine.optim.autocast_optim_wrapper import AutocastOptimWrapper
from irbox.engine.optim.epoch_warm_up_cosine_lr import EpochWarmUpCosineLR
from irbox.engine.optim.optim_wrapper import OptimWrapper
from irbox.engine.optim.restoration_optim_wrapper_constructor import (
    RestorationOptimWrapperConstructor,
)

__all__ = [
    'AmpOptimWrapper',
    'AutocastOptimWrapper',
    'EpochWarmUpCosineLR',
    'OptimWrapper',
    'RestorationOptimWrapperConstructor',
]
