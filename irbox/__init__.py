"""irbox: an all-in-one image restoration toolbox.

Importing the package is light: parts are imported on the first build.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import device as Device
    from torch import nn

    from irbox.restore.devices import Precision, Runtime
    from irbox.restore.restoration_model import RestorationModel

__version__ = '0.1.0'
__all__ = ['__version__', 'build_network', 'load', 'restore']


def build_network(
    config: str | Path | dict[str, Any], cfg_options: dict[str, Any] | None = None
) -> nn.Module:
    """Build the network that a configuration describes, with random weights.

    Under ``with torch.device('meta')`` it is built without memory, and a pretrained prior without
    its file: enough to count and to look at.

    Examples:
        >>> import torch
        >>> places = {name: {'block': {'type': 'TransformerBlock'}}
        ...           for name in ('encoder', 'bottleneck', 'decoder')}
        >>> shape = {'dim': 8, 'depths': [1, 1], 'heads': [1, 2], 'refinement': 0}
        >>> network = build_network(
        ...     {'model': {'network': {'type': 'RestorationUNet', **shape, **places}}}
        ... )
        >>> with torch.no_grad():
        ...     network(torch.rand(1, 3, 17, 23)).shape
        torch.Size([1, 3, 17, 23])

    Args:
        config: Path of a ``.py`` or ``.yaml`` config, or its content as a dict. Of the content only
            ``model`` and ``plugins`` are read.
        cfg_options: Values that replace those of a file, by dotted key, such as
            ``{'model.network.dim': 24}``.

    Returns:
        The network in evaluation mode: ``network(image)`` takes (B, 3, H, W), RGB, floats in 0 to
        1, and gives the same shape, not clipped: it may leave 0 to 1. The weights are drawn from
        torch's generator, so that ``torch.manual_seed`` decides them. Python's and NumPy's random
        state and the environment stay as they are.

    Raises:
        FileNotFoundError: There is no such file, or none with the weights of a pretrained prior.
        ValueError: The config names an unknown part or argument.
    """
    from irbox.utils.global_state import global_state_kept

    with global_state_kept():
        from irbox.engine.network import build_network as build

        return build(config, cfg_options)


def load(
    what: Any,
    device: str | Device = 'auto',
    precision: Precision = 'auto',
    trust: bool = False,
    offline: bool = False,
    runtime: Runtime = 'torch',
) -> RestorationModel:
    """Load a model that restores pictures.

    Examples:
        >>> model = irbox.load('small')  # doctest: +SKIP
        >>> model.restore('photo.jpg').save('restored.jpg')  # doctest: +SKIP

    Args:
        what: A checkpoint that irbox wrote (the config is inside; averaged weights where there
            are); one of M2Restore, PromptIR, AdaIR, MoCE-IR or Restormer as it was published, or
            of an architecture that spandrel knows; ``(config, checkpoint)``; a folder with
            ``config.json`` and ``model.safetensors``, as ``model.save`` writes it; an address,
            ``https://...#sha256=...``; or a name, of those that ``irbox models`` lists.
        device: ``'auto'`` is the accelerator that torch finds, else the CPU; or a device of torch,
            such as ``'cuda:1'``.
        precision: ``'auto'``: bfloat16 where the device multiplies it and the model's card says
            that it was checked, else float32. ``'fp32'``, ``'bf16'`` or ``'fp16'`` by name.
        trust: Import the plug-ins, Python files, that a checkpoint or folder names. Those of a
            config that is given are imported in any case.
        offline: Fetch nothing of what is named by an address.
        runtime: What computes on a CPU: ``'torch'``; ``'onnxruntime'`` or ``'openvino'``, to which
            the network is exported once; or ``'auto'``, the fastest of those that are installed and
            give torch's answers, tried once on each machine.

    Raises:
        FileNotFoundError: A file is missing.
        ConnectionError: An address could not be fetched.
        ImportError: The model needs a package that is not installed.
        ValueError: It is no model, or one that names plug-ins and is not trusted, or that changes
            the size or the channels of a picture or needs a mask; or the device, the precision
            or the runtime is not to be had.
    """
    from irbox.restore.load import load as load_model

    return load_model(what, device, precision, trust, offline, runtime)


# Importing a module of the package of this name puts the package in this function's place: it can
# be called in the same way.
def restore(image: Any, model: Any = 'small', **options: Any) -> Any:
    """Restore a picture, or each of a list, in one call.

    Args:
        image: A path, a PIL image, a numpy array or a tensor, or a list of these; see
            ``RestorationModel.restore``.
        model: What ``irbox.load`` gives or takes. To restore many, load it once. By default the one
            that comes with irbox.
        **options: Of ``irbox.load`` (``device``, ``precision``, ``trust``, ``offline``,
            ``runtime``) and of ``RestorationModel.restore``.

    Returns:
        The answer, of the kind, size, type and range of ``image``; for a path an object whose
        ``save`` writes it.
    """
    from irbox.restore.restore import restore as restore_image

    return restore_image(image, model, **options)
