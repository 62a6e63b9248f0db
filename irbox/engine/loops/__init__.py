"""Loops: training by iteration, evaluation on several sets."""

from irbox.engine.loops.iteration_train_loop import IterationTrainLoop
from irbox.engine.loops.multi_test_loop import MultiTestLoop
from irbox.engine.loops.multi_val_loop import MultiValLoop

__all__ = ['IterationTrainLoop', 'MultiTestLoop', 'MultiValLoop']
