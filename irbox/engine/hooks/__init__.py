"""Hooks: what happens beside the training and testing itself."""

from irbox.engine.averaged_model import AveragedModel
from irbox.engine.hooks.bad_samples_hook import BadSamplesHook
from irbox.engine.hooks.capture_hook import CaptureHook
from irbox.engine.hooks.checkpoint_hook import CheckpointHook
from irbox.engine.hooks.compile_hook import CompileHook
from irbox.engine.hooks.ema_hook import EMAHook
from irbox.engine.hooks.final_weights_hook import FinalWeightsHook
from irbox.engine.hooks.finite_steps_hook import FiniteStepsHook
from irbox.engine.hooks.keep_memory_hook import KeepMemoryHook
from irbox.engine.hooks.predictions_hook import PredictionsHook
from irbox.engine.hooks.progress_hook import ProgressHook
from irbox.engine.hooks.progressive_patches_hook import ProgressivePatchesHook
from irbox.engine.hooks.replicas_hook import ReplicasHook
from irbox.engine.hooks.runtime_info_hook import RuntimeInfoHook
from irbox.engine.hooks.signs_of_life_hook import SignsOfLifeHook
from irbox.engine.hooks.validation_samples_hook import ValidationSamplesHook
from irbox.engine.hooks.watchdog_hook import WatchdogHook

__all__ = [
    'AveragedModel',
    'BadSamplesHook',
    'CaptureHook',
    'CheckpointHook',
    'CompileHook',
    'EMAHook',
    'FinalWeightsHook',
    'FiniteStepsHook',
    'KeepMemoryHook',
    'PredictionsHook',
    'ProgressHook',
    'ProgressivePatchesHook',
    'ReplicasHook',
    'RuntimeInfoHook',
    'SignsOfLifeHook',
    'ValidationSamplesHook',
    'WatchdogHook',
]
