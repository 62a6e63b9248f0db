"""Networks of other people, by the library that knows their files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from irbox.networks.network_traits import NetworkTraits
from irbox.networks.restoration_network import RestorationNetwork, check_image
from irbox.registry import MODELS
from irbox.structures import Context
from irbox.utils.optional import require
from irbox.utils.weights import read_weights


@MODELS.register_module()
class SpandrelNetwork(RestorationNetwork):
    """Runs a published network of any architecture that spandrel knows.

    Architecture and sizes follow from the names and shapes of the weights. The network restores and
    is scored; it is not trained. What it asks of a picture's size is met by padding at the bottom
    and the right (reflection, and replication beyond that).

    Args:
        checkpoint: The file, as it was published: ``.pth``, ``.ckpt``, ``.pt`` or ``.safetensors``.
            It is read without running code that it holds.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: spandrel is not installed.
        ValueError: The file is damaged or would run code, no architecture has such weights, or the
            network does something else than to restore an RGB picture at its own size.
    """

    brings_weights = True

    def __init__(self, checkpoint: str) -> None:
        super().__init__()
        self.checkpoint = Path(checkpoint).expanduser()
        spandrel: Any = require('spandrel', package="'irbox[zoo]'", needed_by='SpandrelNetwork')
        wanted = torch.get_default_device()
        with torch.device('cpu'):
            content = read_weights(self.checkpoint, numpy_scalars=True)
            descriptor = _identify(spandrel, content, self.checkpoint)
        self._traits = _traits_of(spandrel, descriptor)
        if why := self._traits.refusal():
            raise ValueError(
                f'{self.checkpoint} is a network of another kind ({self._traits}): {why}. irbox '
                'restores RGB pictures at their own size.'
            )
        self.multiple = self._traits.multiple
        # Not a module: what it holds of the network is the module below.
        self._descriptor = descriptor
        self.model = descriptor.model.to(wanted)

    @property
    def traits(self) -> NetworkTraits:
        """Say what it asks of a picture, as spandrel found it."""
        return self._traits

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images, (B, 3, H, W) in 0 to 1 of any size -> the same, clipped.

        Raises:
            ValueError: The image is no such tensor, or the network is to be trained.
        """
        check_image(image)
        if self.training:
            raise ValueError(
                f'{self.checkpoint} is a network to restore and to score with: it is not trained. '
                'Train it with the code of its authors.'
            )
        # One by one: that is all that spandrel promises.
        return torch.cat([self._descriptor(one[None].contiguous()) for one in image])


def architectures() -> list[str]:
    """List the architectures that spandrel knows.

    Raises:
        ImportError: It is not installed.
    """
    spandrel: Any = require('spandrel', package="'irbox[zoo]'", needed_by='Their list')
    return sorted(one.architecture.name for one in spandrel.MAIN_REGISTRY.architectures())


def knows_weights(weights: Mapping[str, Tensor]) -> bool | None:
    """Tell whether an architecture of spandrel has such weights; None where it is not installed.

    Args:
        weights: By the names that they were published with.
    """
    try:
        spandrel: Any = importlib.import_module('spandrel')
    except ImportError:
        return None
    known = spandrel.canonicalize_state_dict(dict(weights))
    return any(one.architecture.detect(known) for one in spandrel.MAIN_REGISTRY.architectures())


def _identify(spandrel: Any, content: Any, path: Path) -> Any:
    try:
        descriptor = spandrel.MAIN_REGISTRY.load(spandrel.canonicalize_state_dict(content))
    except spandrel.UnsupportedModelError:
        raise ValueError(
            f'No architecture of spandrel {spandrel.__version__} has weights like those of {path}.'
        ) from None
    except Exception as error:  # each architecture fails in its own way on sizes it never had
        raise ValueError(
            f'spandrel takes {path} for a network that its weights do not fit '
            f'({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ""}).'
        ) from error
    return descriptor.eval().float()


def _traits_of(spandrel: Any, descriptor: Any) -> NetworkTraits:
    size = descriptor.size_requirements
    fit = {'bf16': descriptor.supports_bfloat16, 'fp16': descriptor.supports_half}
    return NetworkTraits(
        architecture=descriptor.architecture.name,
        purpose=descriptor.purpose,
        scale=descriptor.scale,
        channels=(descriptor.input_channels, descriptor.output_channels),
        multiple=size.multiple_of,
        smallest=max(size.minimum, 1),
        square=size.square,
        tiling=descriptor.tiling is spandrel.ModelTiling.SUPPORTED,
        unfit=tuple(name for name, can in fit.items() if not can),
    )
