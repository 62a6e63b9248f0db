"""Modules that keep the weights they were built with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

from torch import Tensor, nn


class FrozenModule(nn.Module):
    """A module that is never trained and never saved: its weights come from a file of their own.

    * Always in evaluation mode, whatever mode its parents are put in.
    * Absent from every state dict that holds it, however that is made (a checkpoint, averaged
      weights, an export). Hundreds of megabytes that never change are not written again and again.
    * Loading a state dict, strictly too, leaves its weights as they are: missing keys are not
      missed, and keys that an older or foreign file has for it are ignored.

    A subclass calls ``freeze()`` at the end of its constructor and says by other means which
    weights it holds.
    """

    def __init__(self) -> None:
        super().__init__()
        # torch gives these two methods no types.
        self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_keep_own)  # type: ignore[no-untyped-call]

    def freeze(self) -> None:
        """Switch gradients off for every weight, and put every part in evaluation mode."""
        self.requires_grad_(False)
        super().train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        del mode
        return super().train(False)


def check_record(
    own: Mapping[str, Any], record: Mapping[str, Any], may_differ: Collection[str] = ()
) -> None:
    """Compare what a checkpoint says of a frozen part with what the part says of itself.

    Args:
        own: Of the part. What an older record does not have is not compared.
        record: Of the checkpoint, with the name of its ``file``, which may be another.
        may_differ: What else may.

    Raises:
        ValueError: A network that was trained with another part would be misled; says what
            differs.
    """
    faults = [
        f'{key}: {_show(record[key])} in the checkpoint, {_show(value)} here'
        for key, value in own.items()
        if key in record and record[key] != value and key not in ('file', *may_differ)
    ]
    if faults:
        raise ValueError(
            f'it was made with another prior. {"; ".join(faults)}. Its file was '
            f'{record.get("file")}, this one is {own.get("file")}. Set model.network.prior to what '
            'the checkpoint was trained with.'
        )


def _show(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


def _leave_out(module: nn.Module, state_dict: dict[str, Any], prefix: str, _: Any) -> None:
    for key in [key for key in state_dict if key.startswith(prefix)]:
        del state_dict[key]


def _keep_own(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Put the module's own weights where the loader looks for them."""
    _leave_out(module, state_dict, prefix, None)
    for name, child in module.named_children():
        child.state_dict(destination=state_dict, prefix=f'{prefix}{name}.')
    for name, weight in module.named_parameters(recurse=False):
        state_dict[prefix + name] = weight.detach()
    for name, buffer in module.named_buffers(recurse=False):
        if name not in module._non_persistent_buffers_set:
            state_dict[prefix + name] = buffer
