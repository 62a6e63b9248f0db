"""FID: a distance of two sets of images in the features of a network."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor, nn

from irbox.evaluation.frechet import frechet_distance
from irbox.evaluation.image_operations import check_jpeg_quality, through_jpeg, to_bytes
from irbox.evaluation.metric_weights import find_weights
from irbox.registry import METRICS
from irbox.utils.optional import require
from irbox.utils.weights import read_state_dict

FILE = 'weights-inception-2015-12-05-6726825d.pth'
SOURCE = 'the releases of torch-fidelity (URL_INCEPTION_V3 in its Inception extractor)'


@METRICS.register_module()
class FIDMetric(BaseMetric):
    """FID per degradation, between the restored and the clean images of a test (Heusel, 2017).

    Features are the 2048 values of the Inception network that the original FID used, in the form of
    the package ``torch-fidelity``, which also resizes; the distance is ``frechet_distance``. With
    the few hundred images of a restoration test it is biased by their number: it falls as the
    number rises. The number is therefore reported with it; compare equal numbers only. No published
    table of this field says how its FID was computed.

    Args:
        weights: File of Inception's weights, ``weights-inception-2015-12-05-6726825d.pth``; by
            default where torch.hub keeps it.
        jpeg_quality: Write restored images as JPEG and read them again first, see ``LPIPSMetric``.

    Results:
        ``{label}/fid`` (no number for a single image) and ``{label}/fid_images``, how many images
        it was computed of.

    Raises:
        ImportError: The package ``torch-fidelity`` is missing.
        FileNotFoundError: The weights are not there.
        ValueError: The file holds other weights, or the quality is none.
    """

    default_prefix = ''
    input_multiple = 1

    def __init__(self, weights: str | None = None, jpeg_quality: int | None = None) -> None:
        super().__init__(collect_device='gpu')
        check_jpeg_quality(jpeg_quality)
        self.jpeg_quality = jpeg_quality
        package = require('torch_fidelity', package='torch-fidelity', needed_by='FIDMetric')
        file = find_weights(weights, FILE, 'FIDMetric', SOURCE)
        # The package unpickles the file without precaution: read it safely first.
        read_state_dict(file, 'FIDMetric: the file')
        try:
            network = package.FeatureExtractorInceptionV3(
                'inception-v3-compat', ['2048'], feature_extractor_weights_path=str(file)
            )
        except RuntimeError as error:
            raise ValueError(f'FIDMetric: {file} does not hold the weights of {FILE}.') from error
        self.network: nn.Module = network.eval()

    @torch.no_grad()
    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Compute the features of what the model predicted and of the clean images."""
        for sample in data_samples:
            restored, target = to_bytes(sample['restored'][None]), to_bytes(sample['target'][None])
            if self.jpeg_quality is not None:
                restored = through_jpeg(restored, self.jpeg_quality)
            network = self.network.to(restored.device)
            (features,) = network(torch.cat([restored, target]))
            self.results.append((sample['label'], features.float().cpu()))

    def compute_metrics(self, results: list[tuple[str, Tensor]]) -> dict[str, float]:
        """The distance per degradation, in the order in which the degradations first came."""
        by_label: dict[str, list[Tensor]] = defaultdict(list)
        for label, features in results:
            by_label[label].append(features)
        metrics: dict[str, float] = {}
        for label, found in by_label.items():
            restored, clean = torch.stack(found, dim=1)
            metrics[f'{label}/fid'] = (
                frechet_distance(restored, clean) if len(found) > 1 else math.nan
            )
            metrics[f'{label}/fid_images'] = len(found)
        return metrics
