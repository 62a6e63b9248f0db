"""Training steps as CUDA graphs: what small batches wait for is the host that launches kernels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapper as MMEngineOptimWrapper
from torch import Tensor, nn
from torch.nn.modules import module as module_state

from irbox.engine.optim.optim_wrapper import OptimWrapper
from irbox.layers.fused.switch import SWITCH, TRAINING_SWITCH
from irbox.utils.cuda_graph import Recording, casts_not_kept, cause_of, record
from irbox.utils.few_graphs import FewGraphs
from irbox.utils.global_state import no_numbers_drawn

DEVICES = ('cuda',)
HOOKS = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks')


class Unread:
    """Stands for values that a graph cannot know, such as names: whoever reads them is told so.

    Args:
        name: Among what a batch holds.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError(f'{self._name!r} of a batch, which is no tensor, is read in a step')

    __getattr__ = __iter__ = __len__ = __getitem__ = __contains__ = __bool__ = __eq__ = _refuse
    __hash__ = None  # type: ignore[assignment]


@dataclass
class Passes:
    """What both passes of a step leave behind, in memory of the graph's."""

    names: list[str]
    """Of the losses."""
    losses: Tensor
    """(1 + names,), float32, what is minimised first."""
    gradients: list[Tensor | None]
    """Of each weight, as ``OptimWrapper.scale_loss`` scales them."""


@dataclass
class Captured:
    """A graph and what it reads."""

    inputs: dict[str, Tensor]
    labels: list[tuple[Any, Tensor]]
    """Losses that read labels, and what they want of each image."""
    recording: Recording[Passes]


class CapturedStep:
    """Takes training steps of a model, from the second batch of a size on as one graph.

    Stands in the place of ``model.train_step``. Forward pass, losses and backward pass are launched
    at once: the same kernels on weights that stay where they are. What comes after a gradient is as
    ever: clipping, the step, averages. Gradients of batches that make up one step are added up.

    Not where somebody watches a module or a gradient, nor on anything but a CUDA device: then, and
    where a step waits for the device, reads names, draws random numbers on the host or needs more
    memory than there is, it is taken as ever, and the log says so once. What changes in a model
    beside weights and buffers, an attribute that a hook sets, is not seen after the capture.

    Args:
        model: A model of ours or one like it, with mmengine's ``train_step``.
        after: Steps of a size before it is captured, 1 at least: what is compiled at first use must
            not be captured.
        recorder: See ``irbox.utils.cuda_graph.record``.

    Raises:
        ValueError: The model is wrapped for several processes, or takes its steps in its own way.
    """

    def __init__(
        self, model: Any, after: int = 1, recorder: Callable[..., Recording[Passes]] = record
    ) -> None:
        name = type(model).__name__
        if is_model_wrapper(model):
            raise ValueError(
                f'capture_steps: {name} exchanges gradients between processes in the middle of a '
                'step. Train with one process, or set capture_steps=false.'
            )
        if getattr(type(model), 'train_step', None) is not BaseModel.train_step:
            raise ValueError(
                f"capture_steps: {name} takes its steps in its own way, not by mmengine's "
                'train_step. Set capture_steps=false.'
            )
        self.model, self.after, self._record = model, max(1, after), recorder
        # Looked for once: a network has thousands of them.
        self._weights: list[nn.Parameter] = list(model.parameters())
        self._hooks = [getattr(part, kind) for part in model.modules() for kind in HOOKS]
        self._graphs = FewGraphs[Captured]()
        self._calls: Counter[Any] = Counter()
        self._trouble = False
        self._device = self._weights[0].device

    def __call__(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Take a step on a batch, or a part of one; see mmengine's ``BaseModel.train_step``.

        Args:
            data: What the loader gives.
            optim_wrapper: Of ours, without a scaler of gradients.

        Returns:
            The losses by name, first their sum; without gradients.
        """
        with optim_wrapper.optim_context(self.model):
            given = self.model.data_preprocessor(data, True)
        if self._trouble or not self._can_capture(given, optim_wrapper):
            return self._plain(given, optim_wrapper)
        key = self._key(given, optim_wrapper)
        found = self._graphs.take(key)
        if found is None:
            self._calls[key] += 1
            if self._calls[key] > self.after and self._graphs.makes_room(key):
                found = self._try(given, optim_wrapper)
            if found is None:
                return self._plain(given, optim_wrapper)
            self._graphs.keep(key, found)
        return self._replay(found, given, optim_wrapper)

    def _plain(self, given: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        with optim_wrapper.optim_context(self.model):
            losses = self.model._run_forward(given, mode='loss')
        total, values = self.model.parse_losses(losses)
        optim_wrapper.update_params(total)
        # A graph of autograd that somebody holds would be in the way of a capture.
        return {name: value.detach() for name, value in values.items()}

    def _can_capture(self, given: Any, optim_wrapper: OptimWrapper) -> bool:
        if self._device.type not in DEVICES or not can_step_captured(optim_wrapper):
            return False
        tensors = _tensors(given) if isinstance(given, Mapping) else {}
        if not tensors or any(one.device != self._device for one in tensors.values()):
            return False
        if module_state._global_forward_hooks or module_state._global_forward_pre_hooks:
            return False
        return not any(self._hooks) and not any(map(_is_watched, self._weights))

    def _key(self, given: Mapping[str, Any], optim_wrapper: OptimWrapper) -> Any:
        kinds = tuple(
            (name, (value.shape, value.dtype) if isinstance(value, Tensor) else value is None)
            for name, value in given.items()
        )
        share = float(optim_wrapper.scale_loss(torch.ones(())))
        weights = tuple((weight.data_ptr(), weight.requires_grad) for weight in self._weights)
        switches = os.environ.get(SWITCH), os.environ.get(TRAINING_SWITCH)
        return kinds, share, weights, switches, self.model.training

    def _try(self, given: Mapping[str, Any], optim_wrapper: OptimWrapper) -> Captured | None:
        try:
            return self._capture(given, optim_wrapper)
        except RuntimeError as error:
            self._graphs.clear()
            self._trouble = True
            print_log(
                'Training steps are launched kernel by kernel, because they could not be captured '
                f'as a CUDA graph: {cause_of(error)}.',
                logger='current',
            )
        return None

    def _capture(self, given: Mapping[str, Any], optim_wrapper: OptimWrapper) -> Captured:
        inputs = {name: value.clone() for name, value in _tensors(given).items()}
        others = {
            name: None if value is None else Unread(name)
            for name, value in given.items()
            if name not in inputs
        }
        reading = [part for part in self.model.modules() if hasattr(part, 'wanted_of_labels')]
        like = torch.zeros((), device=self._device)
        names = given.get('label')
        labels: list[tuple[Any, Tensor]] = [
            (part, part.wanted_of_labels(names, like)) for part in reading if names is not None
        ]

        def run() -> Passes:
            for weight in self._weights:
                weight.grad = None  # what a backward pass finds it adds to
            with optim_wrapper.optim_context(self.model), casts_not_kept():
                losses = self.model._run_forward({**inputs, **others}, mode='loss')
            total, values = self.model.parse_losses(losses)
            optim_wrapper.scale_loss(total).backward()
            together = torch.stack([one.detach().float() for one in (total, *values.values())])
            return Passes(list(values), together, [weight.grad for weight in self._weights])

        other = self._graphs.any_one()
        beside = None if other is None else other.recording
        with _restored(self.model, self._weights), _wanting(labels), no_numbers_drawn():
            recording = self._record(run, self._device, beside)
        return Captured(inputs, labels, recording)

    def _replay(
        self, found: Captured, given: Mapping[str, Any], optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        for name, kept in found.inputs.items():
            kept.copy_(given[name])
        for part, kept in found.labels:
            kept.copy_(part.wanted_of_labels(given['label'], kept))
        passes = found.recording.replay()
        # Losses are read later, when further replays have written over them.
        total, *values = passes.losses.clone().unbind()
        self._hand_over(passes.gradients, is_last=optim_wrapper.should_sync())
        optim_wrapper.take_gradient(total)
        return dict(zip(passes.names, values, strict=True))

    def _hand_over(self, gradients: list[Tensor | None], is_last: bool) -> None:
        """Give the weights their gradients, or add them to those of the step's other batches."""
        sums, added = [], []
        for weight, found in zip(self._weights, gradients, strict=True):
            if found is None or weight.grad is found:
                continue
            if weight.grad is None and is_last:
                weight.grad = found
                continue
            if weight.grad is None:
                # The next replay writes over what the graph has.
                weight.grad = torch.zeros_like(found)
            sums.append(weight.grad)
            added.append(found)
        if sums:
            torch._foreach_add_(sums, added)


def can_step_captured(optim_wrapper: Any) -> bool:
    """Tell whether a wrapper takes gradients as a backward pass leaves them: no scaler does."""
    kind = type(optim_wrapper)
    return (
        getattr(kind, 'update_params', None) is OptimWrapper.update_params
        and kind.backward is MMEngineOptimWrapper.backward
    )


def _tensors(given: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in given.items() if isinstance(value, Tensor)}


def _is_watched(weight: Any) -> bool:
    return bool(weight._backward_hooks or weight._post_accumulate_grad_hooks)


@contextmanager
def _restored(model: nn.Module, weights: list[nn.Parameter]) -> Iterator[None]:
    """Put gradients and buffers back as they were."""
    gradients = [weight.grad for weight in weights]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, kept in buffers:
            buffer.copy_(kept)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient


@contextmanager
def _wanting(labels: list[tuple[Any, Tensor]]) -> Iterator[None]:
    """Let losses take what they want of labels as it stands in memory."""
    for part, kept in labels:
        vars(part)['wanted_of_labels'] = lambda *_, kept=kept: kept
    try:
        yield
    finally:
        for part, _ in labels:
            del vars(part)['wanted_of_labels']
