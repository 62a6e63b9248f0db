"""PSNR and SSIM for mmengine's evaluator, of the restored and of the degraded images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from irbox.evaluation.protocols import find_protocol
from irbox.evaluation.score import score
from irbox.registry import METRICS


@METRICS.register_module()
class RestorationMetric(BaseMetric):
    """Mean scores per degradation, before and after restoring.

    Each image is scored by itself; the mean of a degradation is over its images.

    Args:
        protocol: A name from ``irbox.evaluation.PROTOCOLS``.

    Results:
        ``{label}/input_psnr``, ``{label}/input_ssim``, ``{label}/psnr``, ``{label}/ssim``.

    Raises:
        ValueError: The protocol is unknown.
    """

    default_prefix = ''

    def __init__(self, protocol: str = 'aio') -> None:
        # Through the process group: mmengine's other way writes into the current folder.
        super().__init__(collect_device='gpu')
        find_protocol(protocol)
        self.protocol = protocol

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Score what the model predicted."""
        for sample in data_samples:
            target = sample['target'][None]
            before = score(sample['image'][None], target, self.protocol)
            after = score(sample['restored'][None], target, self.protocol)
            scores = {f'input_{name}': value.item() for name, value in before.items()}
            scores |= {name: value.item() for name, value in after.items()}
            self.results.append((sample['label'], scores))

    def compute_metrics(self, results: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
        """Mean per degradation, in the order in which the degradations first came."""
        by_label: dict[str, list[dict[str, float]]] = defaultdict(list)
        for label, scores in results:
            by_label[label].append(scores)
        return {
            f'{label}/{name}': sum(scores[name] for scores in found) / len(found)
            for label, found in by_label.items()
            for name in found[0]
        }
