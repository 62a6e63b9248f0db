"""What every network does around the layers that make it one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from irbox.layers.padding import pad_to_multiple
from irbox.networks.network_traits import NetworkTraits
from irbox.structures import Context


class RestorationNetwork(nn.Module):
    """Makes a network for images of any size out of ``restore``.

    A network of one's own writes ``restore``; where it differs, it sets ``multiple`` and
    ``input_range`` and overrides ``describe``, what is known about the whole image first, ``pad``,
    and ``places``, the names by which ``tools/describe.py`` lists the parts.

    Examples:
        >>> class Mirror(RestorationNetwork):
        ...     multiple = 8
        ...     def restore(self, padded, context):
        ...         assert padded.shape[-2:] == (16, 24)
        ...         return padded
        >>> Mirror()(torch.rand(1, 3, 13, 20)).shape
        torch.Size([1, 3, 13, 20])
    """

    multiple: int = 1
    """What height and width are padded to a multiple of before ``restore`` sees an image."""
    input_range: tuple[float, float] = (0, 1)
    """What 0 and 1 become before ``restore`` sees an image."""
    brings_weights: bool = False
    """Whether its weights come with its config, so that no checkpoint goes with it."""

    @property
    def traits(self) -> NetworkTraits:
        """Say what it asks of a picture."""
        return NetworkTraits(type(self).__name__, multiple=self.multiple)

    def describe(self, image: Tensor) -> Context:
        """Compute once what every part may know about an image.

        Args:
            image: (B, 3, H, W), RGB, 0 to 1.

        Returns:
            A context that knows the image alone.

        Raises:
            ValueError: See ``forward``.
        """
        check_image(image)
        return Context(image=image)

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images.

        Args:
            image: (B, 3, H, W), RGB, floats in 0 to 1, of any size. It is padded by reflection to
                the network's multiple and the answer is cropped back.
            context: From ``describe``, to read what the parts recorded or to share one prior
                between tiles. Computed from ``image`` where it is not given.

        Returns:
            (B, 3, H, W), not clipped: it may leave 0 to 1.

        Raises:
            ValueError: The image is no such tensor, or ``restore`` changed its size.
        """
        check_image(image)
        context = self.describe(image) if context is None else context
        height, width = image.shape[-2:]
        padded = self.pad(self.scale(image))
        padded = padded.contiguous(memory_format=torch.channels_last)
        # The records stay those of the given context.
        restored = self.restore(padded, replace(context, image=padded))
        if restored.shape != padded.shape:
            raise ValueError(
                f'{type(self).__name__}.restore gives {tuple(restored.shape)} for '
                f'{tuple(padded.shape)}: give an image of the same size.'
            )
        return restored[..., :height, :width]

    def restore(self, padded: Tensor, context: Context) -> Tensor:
        """Restore images of a convenient size.

        Args:
            padded: (B, 3, H, W) in ``input_range``, in channels-last memory; H and W are multiples
                of ``multiple``.
            context: What is known about the images, for the blocks; its image is ``padded``.

        Returns:
            (B, 3, H, W), RGB, 0 to 1; it need not be clipped.
        """
        raise NotImplementedError(
            f'{type(self).__name__} does not define restore(padded, context).'
        )

    def pad(self, image: Tensor) -> Tensor:
        """Pad bottom and right to a multiple, (B, 3, H, W) -> (B, 3, H', W'): by reflection."""
        return pad_to_multiple(image, self.multiple)

    def places(self) -> dict[str, nn.Module]:
        """Name the places that parts stand in, in the order in which an image meets them.

        Returns:
            Name, in the words of configs -> module. Here: the network's children. The place
            called ``prior`` is what costs are given without.
        """
        return dict(self.named_children())

    def scale(self, image: Tensor) -> Tensor:
        """Bring images from 0 to 1 into ``input_range``."""
        low, high = self.input_range
        return image if (low, high) == (0, 1) else low + (high - low) * image


def check_image(image: Any) -> None:
    """Refuse what is no batch of RGB images of floats.

    Raises:
        ValueError: With what it is, what is needed and how to come by it.
    """
    if not isinstance(image, Tensor):
        raise ValueError(
            f'A network takes a tensor (B, 3, H, W), got {type(image).__name__}: '
            'make one with torch.from_numpy or torchvision.transforms.v2.functional.to_image.'
        )
    shape = tuple(image.shape)
    if not image.is_floating_point():
        raise ValueError(
            f'A network takes floats in 0 to 1, got {image.dtype}: '
            'give image.float() / 255 where 255 is white.'
        )
    if image.ndim != 4 or shape[1] != 3:
        raise ValueError(f'A network takes RGB images (B, 3, H, W), got {shape}: {_remedy(shape)}.')
    if 0 in shape[2:]:
        raise ValueError(
            f'A network takes images of one pixel or more, got {shape}: leave out what is empty.'
        )


def _remedy(shape: tuple[int, ...]) -> str:
    """How to make (B, 3, H, W) of a tensor that is not."""
    if len(shape) == 3 and shape[0] == 3:
        return 'give image[None], a batch of one'
    if len(shape) == 3 and shape[2] == 3:
        return 'give image.permute(2, 0, 1)[None]'
    if len(shape) == 4 and shape[3] == 3:
        return 'give image.permute(0, 3, 1, 2)'
    if len(shape) == 4 and shape[1] == 4:
        return 'give image[:, :3], without alpha'
    if len(shape) == 4 and shape[1] == 1:
        return 'give image.expand(-1, 3, -1, -1), gray as RGB'
    return 'bring it into this shape'
