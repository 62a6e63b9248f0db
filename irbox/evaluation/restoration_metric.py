"""PSNR and SSIM for mmengine's evaluator, of the restored and of the degraded images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from irbox.evaluation.aggregate import means_by_label
from irbox.evaluation.protocols import find_protocol
from irbox.evaluation.score import score
from irbox.registry import METRICS


@METRICS.register_module()
class RestorationMetric(BaseMetric):
    """Mean scores per degradation, before and after restoring.

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

    default_prefix = ''

    def __init__(self, protocol: str = 'aio', qualify: bool = False) -> None:
        # Through the process group: mmengine's other way writes into the current folder.
        super().__init__(collect_device='gpu')
        rules = find_protocol(protocol)
        self.protocol = protocol
        self.qualify = qualify
        self.input_multiple = rules.crop_multiple
        """What images are cut to before the network sees them; the loop does so."""
        self._restored = 'restored' if rules.clip else 'unclipped'

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Score what the model predicted."""
        suffix = f'@{self.protocol}' if self.qualify else ''
        for sample in data_samples:
            target = sample['target'][None]
            restored = sample.get(self._restored, sample['restored'])[None]
            try:
                before = score(sample['image'][None], target, self.protocol)
                after = score(restored, target, self.protocol)
            except ValueError as error:
                raise ValueError(f'Image {sample.get("name", "?")}: {error}') from error
            scores = {f'input_{name}{suffix}': value.item() for name, value in before.items()}
            scores |= {f'{name}{suffix}': value.item() for name, value in after.items()}
            self.results.append((sample['label'], scores))

    def compute_metrics(self, results: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
        """Mean per degradation, in the order in which the degradations first came."""
        return means_by_label(results)
