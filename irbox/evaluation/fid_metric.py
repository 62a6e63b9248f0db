"""FID: a distance of two sets of images in the features of a network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irbox.evaluation.frechet import frechet_distance
from irbox.evaluation.image_metric import Values
from irbox.evaluation.image_operations import to_bytes
from irbox.evaluation.network_metric import NetworkMetric
from irbox.evaluation.score_info import ScoreInfo
from irbox.registry import METRICS
from irbox.utils.weights import read_state_dict


@METRICS.register_module()
class FIDMetric(NetworkMetric):
    """Measures FID per degradation, of the restored and the clean images (Heusel et al., 2017).

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

    package = 'torch-fidelity'
    file = 'weights-inception-2015-12-05-6726825d.pth'
    source = 'the releases of torch-fidelity (URL_INCEPTION_V3 in its Inception extractor)'
    scores = {
        'fid': ScoreInfo(digits=2, higher_is_better=False),
        'fid_images': ScoreInfo(digits=0, title='N of FID', averaged=False),
    }

    def build_network(self, package: Any, file: Path) -> nn.Module:
        """Build the package's Inception."""
        # The package unpickles the file without precaution: read it safely first.
        read_state_dict(file, 'FIDMetric: the file')
        try:
            network: nn.Module = package.FeatureExtractorInceptionV3(
                'inception-v3-compat', ['2048'], feature_extractor_weights_path=str(file)
            )
        except RuntimeError as error:
            raise ValueError(
                f'FIDMetric: {file} does not hold the weights of {self.file}.'
            ) from error
        return network

    def score(self, restored: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Compute the features of images, (B, F) of the restored and of the clean ones."""
        network = self.network.to(restored.device)
        images = torch.cat([to_bytes(self.as_written(restored)), to_bytes(target)])
        (features,) = network(images)
        of_restored, of_clean = features.float().chunk(2)
        return {'restored': of_restored, 'clean': of_clean}

    def aggregate(self, values: Values) -> dict[str, float]:
        """Measure the distance of the two sets of features."""
        restored, clean = values['restored'], values['clean']
        distance = frechet_distance(restored, clean) if len(restored) > 1 else math.nan
        return {'fid': distance, 'fid_images': len(restored)}
