"""Weights that no process holds whole: torch's FSDP2, block by block."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from irbox.layers.shared_noise import repeated_noise
from irbox.registry import BLOCKS
from irbox.structures import Context


def blocks_of(model: nn.Module) -> Iterator[nn.Module]:
    """Find the registered blocks of a network that are inside no other."""
    for child in model.children():
        if type(child) in BLOCKS.module_dict.values():
            yield child
        else:
            yield from blocks_of(child)


def recompute_blocks(model: nn.Module) -> None:
    """Let each block forget its activations and compute them again in the backward pass."""
    for block in blocks_of(model):
        block.forward = partial(
            checkpoint, block.forward, use_reentrant=False, context_fn=_contexts
        )


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    first, again = repeated_noise()
    return first, again


def shard(model: nn.Module) -> nn.Module:
    """Share the trained weights of a model out among the processes, in place.

    Each block is a unit of ``torch.distributed.fsdp.fully_shard``: its weights are gathered before
    it computes and let go after. What is outside of blocks is one more unit. Frozen weights stay
    whole in every process.

    Args:
        model: On its device, equal in all processes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    weights = dict(model.named_parameters())
    frozen = {weight for weight in weights.values() if not weight.requires_grad}
    for weight in weights.values():
        # Weights that lie as channels_last cannot be cut.
        weight.data = weight.data.contiguous()
    marks = {name: vars(weight) for name, weight in weights.items()}
    device = next(iter(weights.values())).device.type
    mesh = init_device_mesh(device, (torch.distributed.get_world_size(),))
    for unit in [*blocks_of(model), model]:
        unit.register_forward_pre_hook(_show_contexts, with_kwargs=True)
        fully_shard(unit, mesh=mesh, reshard_after_forward=True, ignored_params=frozen)
        unit.register_forward_pre_hook(_hide_contexts, prepend=True, with_kwargs=True)
    for name, weight in model.named_parameters():
        # Such as which weights do not decay.
        vars(weight).update(marks[name])
    return model


class _Hidden:
    """A context on its way past FSDP, which copies dataclasses that hold gradients.

    What a block recorded in a copy, a routing above all, would never reach the losses.
    """

    def __init__(self, context: Context) -> None:
        self.context = context


def _hide_contexts(_: nn.Module, args: Any, kwargs: Any) -> Any:
    def hide(value: Any) -> Any:
        return _Hidden(value) if isinstance(value, Context) else value

    return tuple(map(hide, args)), {key: hide(value) for key, value in kwargs.items()}


def _show_contexts(_: nn.Module, args: Any, kwargs: Any) -> Any:
    def show(value: Any) -> Any:
        return value.context if isinstance(value, _Hidden) else value

    return tuple(map(show, args)), {key: show(value) for key, value in kwargs.items()}


def twin(model: nn.Module) -> nn.Module:
    """Copy a model that is not shared out yet; frozen weights are the same ones."""
    frozen = {id(weight): weight for weight in model.parameters() if not weight.requires_grad}
    return copy.deepcopy(model, memo=frozen)


def is_sharded(model: nn.Module) -> bool:
    """Tell whether ``shard`` was here."""
    return any(map(is_shard, model.parameters()))


def is_shard(value: Any) -> bool:
    """Tell whether a value is a tensor of which this process holds a part."""
    return hasattr(value, 'full_tensor')


def whole(value: Any) -> Any:
    """Gather what is shared out inside mappings and lists; all processes must ask."""
    if is_shard(value):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(whole(item) for item in value)
    return value


def part(value: Any) -> Any:
    """Give what this process holds of a tensor."""
    return value.to_local() if is_shard(value) else value


def spread(checkpoint: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """Cut a whole checkpoint as a model is shared out; each process takes its parts of its own.

    Args:
        checkpoint: As ``read_checkpoint`` gives it: ``state_dict``, and where they are there
            ``ema_state_dict`` and ``optimizer``.
        model: As ``shard`` left it, or one that is not shared out, for which nothing changes.
    """
    if not is_sharded(model):
        return dict(checkpoint)
    weights: dict[str, Any] = dict(model.named_parameters())
    cut = dict(checkpoint)
    for name in ('state_dict', 'ema_state_dict'):
        if name in checkpoint:
            cut[name] = {
                key: _like(value, weights.get(key.removeprefix('module.')))
                for key, value in checkpoint[name].items()
            }
    return cut


def spread_optimizer(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Cut the state of an optimiser as its weights are shared out."""
    weights = [weight for group in optimizer.param_groups for weight in group['params']]
    return {
        **state,
        'state': {
            number: {key: _like(value, weights[number]) for key, value in one.items()}
            for number, one in state['state'].items()
        },
    }


def _like(value: Any, weight: Any) -> Any:
    if not (isinstance(value, Tensor) and is_shard(weight) and value.shape == weight.shape):
        return value
    from torch.distributed.tensor import distribute_tensor

    placed = value.to(weight.device)
    return distribute_tensor(placed, weight.device_mesh, weight.placements, src_data_rank=None)
