"""The base of all metrics: what is written by an author, and what comes of it."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from irbox.evaluation.score_info import ScoreInfo

Values = Mapping[str, Tensor]
"""What is known of images: name to a tensor, the images first."""


class ImageMetric(BaseMetric):  # type: ignore[misc]  # mmengine has no types
    """Judges restored images one by one; their mean per degradation is reported.

    A metric of one's own declares ``scores`` and writes ``score``. Everything else has a default:

    * Each image is judged by itself, whatever batch it came in, on the device that it is on.
    * The results are ``{label}/{score}`` for each label of a set, in the order in which the labels
      first came. The loops turn them into ``{task}/{score}`` and the mean over tasks; ``input_``
      in front of a score says that it is the degraded image's.
    * Tables print a score beside PSNR and SSIM, as ``scores`` says.

    ``irbox.testing.check_metric`` checks that a metric keeps this. mmengine calls ``process`` with
    a sample for each image, a mapping that ``docs/metrics.md`` lists key by key.
    """

    scores: Mapping[str, ScoreInfo] = {}
    """Name of each score that is reported, to how it is printed and read. Names are made of
    letters, digits and underscores, and no two metrics of an evaluator share one."""
    input_multiple: int = 1
    """The loops cut images, in the middle, to multiples of this before the network sees them."""
    tile: int | None = None
    """The loops let the network see tiles of at most so many pixels a side; None: the whole."""
    clip: bool = True
    """Whether ``score`` gets restored images clipped to 0 to 1, or as the network gave them."""
    judges_input: bool = False
    """Whether the degraded images are judged as well, and reported as ``input_{score}``."""

    default_prefix = ''

    def __init__(self) -> None:
        # Through the process group: mmengine's other way writes into the current folder.
        super().__init__(collect_device='gpu')
        self.images: list[tuple[str, str, dict[str, float]]] = []
        """Label, name and scores of each image of the latest evaluation, in the main process."""

    @abstractmethod
    def score(self, restored: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Judge images.

        Args:
            restored: (B, 3, H, W) float32, RGB, 0 to 1 unless ``clip`` is false.
            target: Same shape, clean, 0 to 1.

        Returns:
            Name of a score to the images' values, (B,). With an ``aggregate`` of one's own: to
            whatever that needs of each image, (B, ...).

        Raises:
            ValueError: The images cannot be judged, such as for their size; the message goes to
                the user, behind the name of the image.
        """

    def aggregate(self, values: Values) -> dict[str, float]:
        """Turn what ``score`` gave for all images of a label into the label's scores: the means.

        Args:
            values: As ``score`` gives them, for N images, (N, ...), on the CPU.
        """
        return {name: fmean(value.tolist()) for name, value in values.items()}

    @torch.no_grad()
    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Judge what the model predicted."""
        for sample in data_samples:
            restored = sample['restored'] if self.clip else sample.get('unclipped')
            judged = {'': sample['restored'] if restored is None else restored}
            if self.judges_input:
                judged = {'input_': sample['image'], **judged}
            found: dict[str, Tensor] = {}
            for prefix, image in judged.items():
                try:
                    values = self.score(image[None], sample['target'][None])
                except ValueError as error:
                    raise ValueError(f'Image {sample.get("name", "?")}: {error}') from error
                found |= {f'{prefix}{name}': self._only(name, v) for name, v in values.items()}
            self.results.append((sample['label'], sample.get('name', ''), found))

    def compute_metrics(self, results: Iterable[tuple[str, str, Values]]) -> dict[str, float]:
        """Give ``{label}/{score}`` from label, name and values of each image."""
        by_label: dict[str, list[Values]] = defaultdict(list)
        self.images = []
        for label, name, found in results:
            by_label[label].append(found)
            scores = {score: value.item() for score, value in found.items() if not value.ndim}
            self.images.append((label, name, scores))
        return {
            f'{label}/{name}': value
            for label, images in by_label.items()
            for name, value in self.aggregate(
                {name: torch.stack([found[name] for found in images]) for name in images[0]}
            ).items()
        }

    def _only(self, name: str, value: Tensor) -> Tensor:
        """Take the value of the one image out of its batch."""
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != 1:
            given = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(
                f'{type(self).__name__}.score gives {given} as {name!r} of one image. It must be a '
                'tensor (B,): one value for each image.'
            )
        return value[0].detach().cpu()
