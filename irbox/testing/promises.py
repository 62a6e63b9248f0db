"""The promises that experts, blocks, routers and priors share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from irbox.testing.calling import BrokenPromiseError, answer, require
from irbox.testing.samples import MAPS, Inputs

DRAWS = 3

# pytest shows the author's own line, not ours.
__tracebackhide__ = True


@dataclass(frozen=True)
class Case:
    """A part and how to try it."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int, int, int], Inputs]
    """Random inputs for a batch, height and width."""
    call: Callable[[nn.Module, Inputs], Inputs]
    """Runs the part; what it gives for each image, by name."""
    verify: Callable[[Inputs, Inputs], None]
    """Raises an AssertionError where inputs and outputs do not fit together."""
    no_gradient: Sequence[str] = ()
    sizes: Sequence[tuple[int, int, int]] = MAPS
    exact_under_autocast: bool = False
    """Automatic mixed precision must not change the answer to float32 inputs."""
    hint: str = 'It must work at every size, down to a single pixel'
    """What to do where it raises an error."""
    network: str = ''
    """In what kind of network it is tried, where that matters."""

    def answer(self, module: nn.Module, given: Inputs, how: str = '') -> Inputs:
        """Run the part; an error of its own becomes one of ours."""
        shapes = ', '.join(f'{name} {tuple(tensor.shape)}' for name, tensor in given.items())
        hint = self.hint if not how else f'Before, without {how}, it worked'
        where = f'{self.network}on {shapes}' + (f' with {how}' if how else '')
        return answer(self.name, lambda: self.call(module, given), where, hint)


def check_promises(case: Case) -> nn.Module:
    """Try a part on everything that its kind promises; gives the part, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = case.build()
        _stir(module)
        for size in case.sizes:
            _evaluation(case, module.eval(), size)
        _alone_and_in_a_batch(case, module)
        _gradients(case, module.train())
        _autocast(case, module.eval())
        _state_dict(case, module)
        _meta(case)
    return module


def _stir(module: nn.Module) -> None:
    """Move every weight a little: one that starts at zero would hide whether others matter."""
    with torch.no_grad():
        for weight in module.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn_like(weight))


def _verify(case: Case, given: Inputs, outputs: Inputs, where: str = '') -> None:
    try:
        case.verify(given, outputs)
    except AssertionError as error:
        text = str(error).removeprefix(f'{case.name} ').rstrip('.')
        raise BrokenPromiseError(f'{case.name}{where} {text}.') from error


def _evaluation(case: Case, module: nn.Module, size: tuple[int, int, int]) -> None:
    inputs = case.inputs(*size)
    copies = {name: tensor.clone() for name, tensor in inputs.items()}
    before = dict(attributes(module))
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad():
        first = case.answer(module, inputs)
        for name, tensor in copies.items():
            require(
                torch.equal(tensor, inputs[name]),
                case.name,
                f'changes its input {name} in place. Others use the same tensor: make a new one',
            )
        second = case.call(module, inputs)
    _verify(case, inputs, first)
    for name, output in first.items():
        require(
            bool(output.isfinite().all()), case.name, f'gives {name} that is not finite at {size}'
        )
        require(
            torch.equal(output, second[name]),
            case.name,
            f'gives another {name} when called again in evaluation mode. Draw random numbers only '
            'if self.training',
        )
    nothing_kept(case.name, module, before)
    for name, buffer in module.named_buffers():
        require(
            name in buffers and torch.equal(buffer, buffers[name]),
            case.name,
            f'changes its buffer {name} in evaluation mode',
        )


def attributes(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Give what is set on a module and its children, as values that can be compared."""
    torchs_own = set(vars(nn.Module()))
    for path, child in module.named_modules():
        for name, value in vars(child).items():
            if name not in torchs_own:
                plain = isinstance(value, (bool, int, float, str, type(None)))
                sized = isinstance(value, (list, dict, set))
                seen = value if plain else len(value) if sized else id(value)
                yield f'{path}.{name}'.strip('.'), seen


def nothing_kept(part: str, module: nn.Module, before: dict[str, Any]) -> None:
    """Refuse a module on which something of a call stays."""
    now = dict(attributes(module))
    changed = sorted(name for name in now if name not in before or now[name] != before[name])
    require(
        not changed,
        part,
        f'keeps {", ".join(changed)} from its last call. A module holds weights and settings: pass '
        'values on, or record them in the context',
    )


def _alone_and_in_a_batch(case: Case, module: nn.Module) -> None:
    for _, height, width in case.sizes[:2]:
        given = case.inputs(3, height, width)
        with torch.no_grad():
            together = case.answer(module, given)
            for index in range(3):
                one = {name: tensor[index : index + 1] for name, tensor in given.items()}
                for name, output in case.answer(module, one).items():
                    require(
                        torch.allclose(output[0], together[name][index], atol=1e-4, rtol=1e-4),
                        case.name,
                        f'gives an image another {name} in a batch than alone. Do not mix values '
                        'across the first dimension',
                    )


def _gradients(case: Case, module: nn.Module) -> None:
    before = dict(attributes(module))
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    never, moved = set(trainable), set()
    for draw in range(DRAWS):
        module.zero_grad(set_to_none=True)
        inputs = case.inputs(*case.sizes[draw % 2])
        outputs = case.answer(module, inputs, 'training mode')
        if not trainable:
            break
        # Random factors: some sums, such as that of a softmax, are constant.
        total = sum((output * torch.randn_like(output)).sum() for output in outputs.values())
        if not (isinstance(total, Tensor) and total.requires_grad):
            raise BrokenPromiseError(
                f'{case.name} gives an answer without a gradient. Remove detach() and no_grad() '
                'from its forward.'
            )
        torch.autograd.backward(total)
        for name, weight in trainable.items():
            if weight.grad is None:
                continue
            never.discard(name)
            require(
                bool(weight.grad.isfinite().all()),
                case.name,
                f'gives {name} a gradient that is not finite',
            )
            if weight.grad.any():
                moved.add(name)
    allowed = set(case.no_gradient)
    require(
        allowed <= set(trainable) - moved,
        case.name,
        f'was said to give no gradient to {", ".join(sorted(allowed - (set(trainable) - moved)))}, '
        'but does, or has no such weight',
    )
    require(
        not never - allowed,
        case.name,
        f'never gives a gradient to {", ".join(sorted(never - allowed))}: distributed training '
        'waits for it forever. Use the weight, remove it, or set requires_grad_(False)',
    )
    zero = sorted(set(trainable) - moved - allowed)
    require(
        not zero,
        case.name,
        f'always gives a zero gradient to {", ".join(zero)}: it has no effect. If this is meant, '
        'name it in no_gradient',
    )
    nothing_kept(case.name, module, before)
    try:
        copy.deepcopy(module)
    except RuntimeError as error:
        raise BrokenPromiseError(
            f'{case.name} cannot be copied after a call, which averaged weights need: {error}'
        ) from error
    module.zero_grad(set_to_none=True)


def _autocast(case: Case, module: nn.Module) -> None:
    inputs = case.inputs(*case.sizes[1])
    with torch.no_grad():
        full = case.call(module, inputs)
        with torch.autocast('cpu', torch.bfloat16):
            low = case.answer(module, inputs, 'automatic mixed precision')
            halves = {name: tensor.bfloat16() for name, tensor in inputs.items() if name == 'x'}
            half = case.answer(module, inputs | halves, 'automatic mixed precision')
            _verify(case, inputs, low, ' under automatic mixed precision')
            _verify(case, inputs | halves, half, ' under automatic mixed precision')
    # bfloat16 keeps 8 bits: an error of some percent means a sum or an exponential went wrong.
    limit = 1e-4 if case.exact_under_autocast else 0.1
    for name, output in full.items():
        error = (low[name].float() - output).norm() / output.norm().clamp_min(1e-6)
        require(
            bool(half[name].isfinite().all()) and bool(error < limit),
            case.name,
            f'under automatic mixed precision gives a {name} that is off by {error.item():.2g}. '
            'Compute scores, exponentials and statistics in float32, see irbox.utils.precision',
        )
    module.zero_grad(set_to_none=True)
    with torch.autocast('cpu', torch.bfloat16):
        outputs = case.call(module.train(), inputs)
        total = sum(output.float().square().mean() for output in outputs.values())
    if isinstance(total, Tensor) and total.requires_grad:
        torch.autograd.backward(total)
        for name, weight in module.named_parameters():
            require(
                weight.grad is None or bool(weight.grad.isfinite().all()),
                case.name,
                f'under automatic mixed precision gives {name} a gradient that is not finite',
            )
    module.zero_grad(set_to_none=True)
    module.eval()


def _state_dict(case: Case, module: nn.Module) -> None:
    other = case.build().eval()
    try:
        other.load_state_dict(module.state_dict())
    except RuntimeError as error:
        raise BrokenPromiseError(
            f'{case.name} cannot load its own state dict: {error}. Make every weight in __init__, '
            'of a shape that the options decide'
        ) from error
    given = case.inputs(*case.sizes[0])
    with torch.no_grad():
        ours, theirs = case.call(module, given), case.call(other, given)
    for name, output in ours.items():
        require(
            torch.allclose(output, theirs[name], atol=1e-6),
            case.name,
            f'gives another {name} after its state dict was loaded into a second one. Register '
            'what decides the answer: nn.Parameter, register_buffer, nn.ModuleList',
        )


def _meta(case: Case) -> None:
    try:
        with torch.device('meta'), torch.no_grad():
            given = case.inputs(*case.sizes[1])
            outputs = case.call(case.build().eval(), given)
    except BrokenPromiseError:
        raise
    except Exception as error:
        raise BrokenPromiseError(
            f'{case.name} cannot run on the meta device, on which costs are counted: {error}. Make '
            'new tensors on the device of the input, choose no shapes by values, and leave mixed '
            'precision by irbox.utils.precision.full_precision(x), which all devices know'
        ) from error
    _verify(case, given, outputs, ' on the meta device')
