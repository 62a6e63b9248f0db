"""What every run has unless its config says otherwise."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from mmengine.config import Config

OWN = (
    'progress',
    'final_weights',
    'finite_steps',
    'replicas',
    'bad_samples',
    'signs_of_life',
    'watchdog',
    'keep_memory',
)


def default_hooks(config: Config) -> dict[str, Any]:
    """Give the hooks of a training, those of the config in the place of ours."""
    defaults = {
        'logger': {'type': 'LoggerHook', 'interval': 50, 'log_metric_by_epoch': False},
        'progress': {'type': 'ProgressHook'},
        'finite_steps': {'type': 'FiniteStepsHook'},
        'replicas': {'type': 'ReplicasHook'},
        'bad_samples': {'type': 'BadSamplesHook'},
        'signs_of_life': {'type': 'SignsOfLifeHook'},
        'watchdog': {'type': 'WatchdogHook'},
        'final_weights': {'type': 'FinalWeightsHook'},
        'keep_memory': {'type': 'KeepMemoryHook'},
    }
    hooks = defaults | config.default_hooks.to_dict()
    # mmengine lets only hooks that it knows be switched off by null.
    return {name: hook for name, hook in hooks.items() if hook is not None or name not in OWN}


def visualizer(config: Config) -> dict[str, Any]:
    """Give what a run is logged by: files, and TensorBoard where it is installed."""
    if config.get('visualizer') is not None:
        own: dict[str, Any] = config.visualizer.to_dict()
        return {'type': 'Visualizer'} | own
    backends = [{'type': 'LocalVisBackend'}]
    if find_spec('tensorboard') is not None:
        backends.append({'type': 'TensorboardVisBackend'})
    return {'type': 'Visualizer', 'vis_backends': backends}
