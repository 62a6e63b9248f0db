"""How a model is shared between the processes of a run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def unwrapped(model: nn.Module) -> nn.Module:
    """Give the model itself, without what wraps it for several processes."""
    inner = model.module if is_model_wrapper(model) else model
    assert isinstance(inner, nn.Module)
    return inner


def check_wrapping(config: Mapping[str, Any]) -> None:
    """Refuse ways of sharing a model that do not go together.

    Raises:
        ValueError: Two options exclude each other; names them.
    """
    wrapper = config.get('model_wrapper_cfg') or {}
    _check_strategy(config)
    _check_capture(config)
    scaling = config.get('auto_scale_lr') or {}
    if scaling.get('enable') and 'base_batch_size' not in scaling:
        raise ValueError(
            'auto_scale_lr: base_batch_size is missing, the batch that the learning rate is for.'
        )
    counts = (config.get('optim_wrapper') or {}).get('accumulative_counts', 1)
    if wrapper.get('static_graph') and counts > 1:
        raise ValueError(
            'model_wrapper_cfg.static_graph: torch wants gradients exchanged after every batch, '
            f'optim_wrapper.accumulative_counts={counts} after every {counts}. Remove one of them.'
        )


def _check_strategy(config: Mapping[str, Any]) -> None:
    if config.get('recompute_blocks') and config.get('compile_blocks'):
        raise ValueError(
            'recompute_blocks and compile_blocks both replace what a block computes. '
            'Remove one of them.'
        )
    if config.get('strategy', 'ddp') != 'fsdp2':
        return
    if config.get('launcher', 'none') == 'none':
        raise ValueError(
            'strategy: fsdp2 shares weights out among processes. Start several, by torchrun with '
            '--launcher pytorch or by srun with --launcher slurm, or remove it.'
        )
    others = {
        'compile_blocks': config.get('compile_blocks'),
        'model_wrapper_cfg': config.get('model_wrapper_cfg'),
        'find_unused_parameters': config.get('find_unused_parameters'),
        'amp=fp16': config.get('amp') == 'fp16',
    }
    if wrong := [name for name, given in others.items() if given]:
        raise ValueError(
            f'strategy: fsdp2 does not go together with {wrong[0]}. Remove one of them.'
        )


def _check_capture(config: Mapping[str, Any]) -> None:
    if not config.get('capture_steps'):
        return
    if config.get('launcher', 'none') != 'none':
        raise ValueError(
            'capture_steps: several processes exchange gradients in the middle of a step. Train '
            'with one process, or set capture_steps=false.'
        )
    if config.get('amp') == 'fp16':
        raise ValueError(
            'capture_steps: float16 needs a scale of gradients that changes from step to step. '
            'Set amp=bf16, or capture_steps=false.'
        )
    for name in ('compile_blocks', 'recompute_blocks'):
        if config.get(name):
            raise ValueError(
                f'capture_steps and {name} do not go together: what a block computes then cannot '
                'be captured. Remove one of them.'
            )


def data_parallel(config: Mapping[str, Any], wrapper: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the config of the wrapper that exchanges gradients, ``model_wrapper_cfg`` winning."""
    # torch is renaming the option that mmengine sets.
    taken = inspect.signature(DistributedDataParallel.__init__).parameters
    sync = 'forward_sync_buffers' if 'forward_sync_buffers' in taken else 'broadcast_buffers'
    options = {
        'type': 'MMDistributedDataParallel',
        sync: False,
        'find_unused_parameters': config.get('find_unused_parameters', False),
        **(wrapper or {}),
    }
    if not torch.cuda.is_available():
        options['device_ids'] = None
    return options
