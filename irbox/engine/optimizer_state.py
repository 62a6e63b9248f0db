"""Whether the state of averages, optimiser and schedulers in a checkpoint is that of ours."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irbox.utils.check_type import check_type
from irbox.utils.weights import few, misfits

WAYS = ('fused', 'foreach')
"""How an optimiser computes: None where torch chose, as before Adam was fused on a CPU."""


def check_averages(averages: Mapping[str, Tensor], model: nn.Module, origin: str | Path) -> None:
    """Refuse averages that are not of a model's weights."""
    own = {'steps': torch.tensor(0)}
    own |= {f'module.{key}': value for key, value in model.state_dict().items()}
    if faults := misfits(own, averages):
        raise ValueError(f'Checkpoint {origin}: ema_state_dict does not fit the model: {faults}.')
    if int(averages['steps']) < 0:
        raise ValueError(f'Checkpoint {origin}: ema_state_dict.steps is below 0.')


def check_optimizer(given: Mapping[str, Any], wrapper: Any, origin: str | Path) -> None:
    """Refuse an optimiser's state that is not of the weights and the kind of ours.

    Args:
        given: Of the checkpoint, as ``check_state`` let it pass.
        wrapper: The optimiser wrapper that would take it.
        origin: Where it comes from, for the message.

    Raises:
        ValueError: Groups, weights, shapes or options differ; says which.
    """
    where = f'{origin} does not fit optim_wrapper: '
    optimizer = wrapper.optimizer
    groups, own = given['param_groups'], optimizer.state_dict()['param_groups']
    if len(groups) != len(own):
        raise ValueError(f'{where}{len(groups)} groups of weights instead of {len(own)}.')
    weights: dict[int, Tensor] = {}
    for number, (group, ours) in enumerate(zip(groups, own, strict=True)):
        if group.get('params') != ours['params']:
            raise ValueError(f'{where}param_groups.{number} is of other weights.')
        _check_options(group, ours, f'{where}param_groups.{number}')
        weights |= zip(ours['params'], optimizer.param_groups[number]['params'], strict=True)
    kept: dict[torch.Size, Mapping[str, torch.Size]] = {}
    for key, state in given['state'].items():
        place = f'{where}state.{key}'
        if key not in weights or not isinstance(state, Mapping):
            raise ValueError(f'{place} is of no weight.')
        shape = weights[key].shape
        if shape not in kept:
            kept[shape] = _state_of_one_step(optimizer, shape)
        needed = kept[shape]
        if missing := [name for name in needed if name not in state]:
            raise ValueError(f'{place} lacks {few(missing)}.')
        for name, value in state.items():
            if not isinstance(value, Tensor):
                continue
            wanted = needed.get(name, shape)
            if value.dim() and value.shape != wanted:
                shapes = f'{tuple(value.shape)} instead of {tuple(wanted)}'
                raise ValueError(f'{place}.{name} is of another shape: {shapes}.')
            if not value.is_floating_point() or value.layout != torch.strided:
                raise ValueError(f'{place}.{name} is of {value.dtype}, {value.layout}.')
    extra = {key: value for key, value in wrapper.state_dict().items() if key not in given}
    if extra:
        raise ValueError(f'{where}it lacks {few(extra)}.')


def check_schedulers(
    states: list[Mapping[str, Any]], schedulers: Iterable[Any], origin: str | Path
) -> None:
    """Refuse the states of other schedulers than ours."""
    ours = list(schedulers)
    if len(states) != len(ours):
        raise ValueError(
            f'{origin} has the state of {len(states)} parameter schedulers, param_scheduler '
            f'describes {len(ours)}.'
        )
    for number, (state, scheduler) in enumerate(zip(states, ours, strict=True)):
        where = f'{origin} does not fit param_scheduler: {number}'
        _check_options(state, scheduler.state_dict(), where)


def _check_options(given: Mapping[str, Any], own: Mapping[str, Any], place: str) -> None:
    """Compare names, and where ours is a number or a flag, the kind of value."""
    if missing := [key for key in own if key not in given]:
        raise ValueError(f'{place} lacks {few(missing)}.')
    for key, value in own.items():
        if key in WAYS and given[key] is None:
            continue
        if isinstance(value, (bool, Real, str)):
            declared = bool if isinstance(value, bool) else str if isinstance(value, str) else float
            check_type(given[key], declared, f'{place}.{key}')
        elif isinstance(value, (list, tuple)) and key != 'params':
            same = isinstance(given[key], (list, tuple)) and len(given[key]) == len(value)
            if not same or not all(map(_is_like, given[key], value)):
                raise ValueError(f'{place}.{key}: {given[key]!r} must be {len(value)} numbers.')


def _is_like(given: Any, own: Any) -> bool:
    """Tell whether an option's part is a number, or nothing where ours is nothing."""
    return isinstance(given, Real) or (given is None and own is None)


def _state_of_one_step(
    optimizer: torch.optim.Optimizer, shape: torch.Size
) -> Mapping[str, torch.Size]:
    """Tell what an optimiser keeps of a weight, by name and shape, from one that it moves once."""
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = torch.zeros(shape)
    taken = inspect.signature(type(optimizer).__init__).parameters
    options = {key: value for key, value in optimizer.param_groups[0].items() if key in taken}
    try:
        trial: Any = type(optimizer)(**(options | {'params': [weight]}))
        trial.step()
    except Exception:
        return {}  # one of somebody's own, which asks for more
    state: Mapping[str, Any] = trial.state[weight]
    return {name: getattr(value, 'shape', torch.Size()) for name, value in state.items()}
