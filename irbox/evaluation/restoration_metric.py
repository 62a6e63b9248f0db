"""PSNR and SSIM for mmengine's evaluator, of the restored and of the degraded images."""

from __future__ import annotations

from torch import Tensor

from irbox.evaluation.image_metric import ImageMetric
from irbox.evaluation.protocols import find_protocol
from irbox.evaluation.score import score
from irbox.evaluation.score_info import SIMILARITY
from irbox.registry import METRICS


@METRICS.register_module()
class RestorationMetric(ImageMetric):
    """Reports mean PSNR and SSIM per degradation, before and after restoring.

    Each image is scored by itself; the mean of a degradation is over its images. The degraded image
    goes through the same steps as the restored one, so that doing nothing gains nothing.

    Args:
        protocol: A name from ``irbox.evaluation.PROTOCOLS``.
        qualify: Put the protocol into the names of the results, as all but one need where one
            evaluator has several protocols.

    Results:
        ``{label}/input_psnr``, ``{label}/input_ssim``, ``{label}/psnr``, ``{label}/ssim``; with
        ``qualify``: ``{label}/input_psnr@{protocol}`` and so on.

    Raises:
        ValueError: The protocol is unknown.
    """

    judges_input = True

    def __init__(self, protocol: str = 'aio', qualify: bool = False) -> None:
        super().__init__()
        rules = find_protocol(protocol)
        self.protocol = protocol
        self.qualify = qualify
        self.input_multiple = rules.crop_multiple
        self.clip = rules.clip
        self.tile = rules.tile
        self.suffix = f'@{protocol}' if qualify else ''
        self.scores = {f'{name}{self.suffix}': info for name, info in SIMILARITY.items()}

    def score(self, restored: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compare images by the protocol."""
        found = score(restored, target, self.protocol)
        return {f'{name}{self.suffix}': value for name, value in found.items()}
