"""The device that computes, by one code path for all kinds of accelerators."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

Precision = Literal['auto', 'fp32', 'bf16', 'fp16']
Runtime = Literal['torch', 'onnxruntime', 'openvino', 'auto']
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def choose_device(device: str | torch.device) -> torch.device:
    """Give the device of a name; ``'auto'`` is the accelerator that torch finds, else the CPU.

    Raises:
        ValueError: There is no such device here.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if device == 'auto':
        return found or torch.device('cpu')
    here = 'cpu' if found is None else f'cpu, {found.type}'
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f'device={str(device)!r} is unknown. Here: auto, {here}.') from None
    count = torch.accelerator.device_count() if found is not None else 0
    if chosen.type == 'cpu' or (
        found is not None and chosen.type == found.type and (chosen.index or 0) < count
    ):
        return chosen
    raise ValueError(f'device={str(device)!r} is not here. Here: auto, {here}.')


def choose_precision(
    precision: Precision, device: torch.device, checked: bool
) -> tuple[torch.dtype, str]:
    """Choose what a network computes in, and say why.

    Args:
        precision: ``'auto'`` is bfloat16 where the device multiplies it and the model was checked
            in it, else float32. float16 is chosen by name only.
        device: That computes.
        checked: Whether the model's card says that bfloat16 was checked.

    Raises:
        ValueError: The precision is unknown, or the device does not compute in it.
    """
    if precision not in get_args(Precision):
        raise ValueError(
            f'precision={precision!r} is unknown. Choose one of {", ".join(get_args(Precision))}.'
        )
    if precision == 'auto':
        if not checked:
            return torch.float32, "float32: the model's card does not say that bfloat16 was checked"
        if not multiplies_bfloat16(device):
            return torch.float32, f'float32: this {device.type} does not multiply bfloat16'
        return torch.bfloat16, "bfloat16: checked, as the model's card says"
    if precision != 'fp32' and not torch.amp.is_autocast_available(device.type):
        raise ValueError(f'precision={precision!r}: {device.type} computes in float32 only.')
    return DTYPES[precision], f'{str(DTYPES[precision]).removeprefix("torch.")}: as asked for'


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether a device has instructions for products of bfloat16, rather than imitates them.

    Where torch cannot tell, it counts as no.
    """
    if device.type == 'cpu':
        # Named differently on each architecture: avx512_bf16, amx_bf16 and so on.
        has: dict[str, object] = getattr(torch.cpu, 'get_capabilities', dict)()
        return any(value is True for key, value in has.items() if 'bf16' in key)
    if device.type == 'cuda':
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == 'xpu':
        return torch.xpu.is_bf16_supported(including_emulation=False)
    return False


def computing_in(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Let a network compute in a precision; its scores and norms stay in float32."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
