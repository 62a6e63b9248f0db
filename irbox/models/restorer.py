"""A network and its losses, as mmengine's Runner wants them."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from mmengine.model import BaseModel
from torch import Tensor, nn

from irbox.networks.restore_tiled import restore_tiled
from irbox.registry import LOSSES, MODELS
from irbox.structures import Context
from irbox.utils.bounded import Share

Mode = Literal['tensor', 'loss', 'predict']


@MODELS.register_module()
class Restorer(BaseModel):  # type: ignore[misc]  # mmengine has no stubs
    """An image restoration network with the losses that it is trained by.

    Args:
        network: Config of a network: ``network.describe(image)`` and ``network(image, context)``.
        losses: Name -> config of a loss ``loss(restored, target, context)``; a name set to ``null``
            is left out. Their sum is minimised.
        data_preprocessor: Config of mmengine's data preprocessor. The default moves a batch to the
            model's device.
        again: Share of each batch, from its first image on, whose answer is restored a second time,
            from 8 bits as a file would hold it, and judged by the losses that compare images: what
            was restored is to be left alone. It costs a forward and a backward pass of so many
            images.
    """

    def __init__(
        self,
        network: dict[str, Any],
        losses: dict[str, dict[str, Any] | None] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        again: Share = 0.0,
    ) -> None:
        super().__init__(data_preprocessor or {'type': 'BaseDataPreprocessor'})
        self.network = MODELS.build(network)
        self.again = again
        self.losses = nn.ModuleDict(
            {name: LOSSES.build(loss) for name, loss in (losses or {}).items() if loss is not None}
        )
        for loss in self.losses.values():
            if getattr(loss, 'uses_label', False):
                warnings.warn(
                    f'{type(loss).__name__}.uses_label: losses now find the labels in '
                    '`context.labels`. The fourth argument goes with the next version.',
                    DeprecationWarning,
                    stacklevel=2,
                )

    def forward(
        self,
        image: Tensor,
        target: Tensor | None = None,
        label: list[str] | None = None,
        name: list[str] | None = None,
        mode: Mode = 'tensor',
        tile: int | None = None,
    ) -> Tensor | dict[str, Tensor] | list[dict[str, Any]]:
        """Restore, judge or both.

        Args:
            image: (B, 3, H, W), degraded, RGB, 0 to 1.
            target: Same shape, clean. Needed by ``mode='loss'``.
            label: Degradation of each image.
            name: Name of each image.
            mode: ``'tensor'``: the restored images (B, 3, H, W), not clipped. ``'loss'``: a scalar
                per loss. ``'predict'``: a dict per image with ``restored`` (3, H, W), clipped to 0
                to 1, ``unclipped``, for protocols that score it so, and what was given.
            tile: Of ``'predict'``: let the network see tiles of at most so many pixels a side.
        """
        if mode == 'tensor':
            answer: Tensor = self.network(image)
            return answer
        if mode == 'loss':
            return self._loss(image, target, label)
        if mode == 'predict':
            if tile:
                unclipped = restore_tiled(self.network, image, tile=tile)
            else:
                unclipped = self.network(image).float()
            restored = unclipped.clamp(0, 1)
            given = {'image': image, 'target': target, 'label': label, 'name': name}
            return [
                {'restored': restored[i], 'unclipped': unclipped[i]}
                | {key: value[i] for key, value in given.items() if value is not None}
                for i in range(len(restored))
            ]
        raise ValueError(f"mode={mode!r} is unknown. Choose 'tensor', 'loss' or 'predict'.")

    def _loss(
        self, image: Tensor, target: Tensor | None, label: list[str] | None
    ) -> dict[str, Tensor]:
        context = self.network.describe(image)
        restored = self.network(image, context).float()
        # Not before: a network that could see them would not have to find them out.
        context.labels = label
        # mmengine sums the entries that have "loss" in their name.
        values = {
            f'loss_{name}': self._judge(name, restored, target, context) for name in self.losses
        }
        count = round(self.again * len(image))
        if count and target is not None:
            first = (restored[:count].detach().clamp(0, 1) * 255).round() / 255
            context = self.network.describe(first)
            second = self.network(first, context).float()
            for name, loss in self.losses.items():
                if getattr(loss, 'compares_images', True):
                    # So many images more in the batch, not a batch of their own.
                    value = self._judge(name, second, target[:count], context)
                    values[f'loss_{name}_again'] = value * (count / len(image))
        return values

    def _judge(
        self, name: str, restored: Tensor, target: Tensor | None, context: Context
    ) -> Tensor:
        loss = self.losses[name]
        old_form = (context.labels,) if getattr(loss, 'uses_label', False) else ()
        try:
            value: Tensor = loss(restored, target, context, *old_form)
        except ValueError as error:
            raise ValueError(f'model.losses.{name}: {error}') from error
        return value

    def _dump_init_info(self) -> None:
        """Keep out of the log what mmengine writes there: three lines for each weight."""
