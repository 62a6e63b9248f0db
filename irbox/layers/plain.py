"""What keeps maps and modules from kernels: whoever looks into them, and what they really are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.nn.modules import module as module_state

GLOBAL_HOOKS = (
    '_global_forward_hooks',
    '_global_forward_pre_hooks',
    '_global_backward_hooks',
    '_global_backward_pre_hooks',
)
"""Where torch keeps hooks on all modules."""


def is_traced(x: Tensor) -> bool:
    """Tell whether more than values is wanted of what is computed from ``x``.

    While it is compiled, exported or traced, in transforms of ``torch.func``, in forward-mode
    differentiation, and of a tensor without memory (``FakeTensorMode``).
    """
    # First: a compiler should see nothing of what follows.
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() or isinstance(x, FakeTensor):
        return True
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return True
    return forward_ad._current_level >= 0


def is_watched(modules: Iterable[nn.Module]) -> bool:
    """Tell whether somebody put hooks on modules or a part of them, or makes their weights.

    Kernels call no module, and take the parameters of one for its weights, which they are not under
    ``torch.nn.utils.parametrize``.
    """
    if any(getattr(module_state, name) for name in GLOBAL_HOOKS):
        return True
    return any(_is_watched(part) for module in modules for part in module.modules())


def _is_watched(part: nn.Module) -> bool:
    hooked = part._forward_hooks or part._forward_pre_hooks
    hooked = hooked or part._backward_hooks or part._backward_pre_hooks
    return bool(hooked) or 'parametrizations' in part._modules


def is_depthwise(conv: nn.Conv2d) -> bool:
    """Tell whether it is a 3x3 convolution of each channel alone, with zeros around the map."""
    return conv.groups == conv.in_channels == conv.out_channels and is_3x3(conv)


def is_3x3(conv: nn.Conv2d) -> bool:
    """Tell whether it makes as many pixels of 3x3 each, with zeros around the map."""
    sides = conv.kernel_size, conv.padding, conv.stride, conv.dilation
    return sides == ((3, 3), (1, 1), (1, 1), (1, 1)) and conv.padding_mode == 'zeros'


def are_depthwise(modules: Iterable[nn.Module]) -> bool:
    """Tell whether all convolutions inside are depthwise ones or of a class of ours."""
    inside = (part for module in modules for part in module.modules())
    return all(is_depthwise(part) for part in inside if type(part) is nn.Conv2d)


def are_perceptrons(experts: Iterable[nn.Module]) -> bool:
    """Tell whether modules say that they are ``fc2(gelu(fc1(x)))``, and still are."""
    return all(_is_perceptron(one) for one in experts)


def _is_perceptron(expert: nn.Module) -> bool:
    if not vars(type(expert)).get('two_layers', False):
        return False
    act = getattr(expert, 'act', None)
    if act is not None and not (type(act) is nn.GELU and act.approximate == 'none'):
        return False
    return type(expert.fc1) is type(expert.fc2) is nn.Linear
