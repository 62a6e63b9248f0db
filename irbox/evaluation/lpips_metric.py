"""LPIPS: a distance of images in the features of a network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor, nn

from irbox.evaluation.aggregate import means_by_label
from irbox.evaluation.image_operations import check_jpeg_quality, through_jpeg, to_bytes
from irbox.evaluation.metric_weights import find_weights
from irbox.registry import METRICS
from irbox.utils.optional import require
from irbox.utils.weights import misfits, read_state_dict

FILE = 'alexnet-owt-7be5be79.pth'
SOURCE = 'torchvision (torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url)'


@METRICS.register_module()
class LPIPSMetric(BaseMetric):
    """Mean LPIPS per degradation: version 0.1, AlexNet, as WeatherBench and M2IR's Table IV.

    Computed by the package ``lpips`` (Zhang et al., 2018), which brings its linear heads along, on
    whole RGB images in -1 to 1, on the device of the images; smaller is better. AlexNet's weights
    are torchvision's and are read from a local file.

    Args:
        weights: File of AlexNet's weights, ``alexnet-owt-7be5be79.pth``; by default where torch.hub
            keeps it.
        jpeg_quality: Write restored images as JPEG and read them again first, as the published
            values were computed (irbox takes 95 there, see ``PROTOCOLS``). Otherwise they are
            taken as they are.

    Results:
        ``{label}/lpips``.

    Raises:
        ImportError: The package ``lpips`` is missing.
        FileNotFoundError: The weights are not there.
        ValueError: The file holds other weights, or the quality is none.
    """

    default_prefix = ''
    input_multiple = 1

    def __init__(self, weights: str | None = None, jpeg_quality: int | None = None) -> None:
        super().__init__(collect_device='gpu')
        check_jpeg_quality(jpeg_quality)
        self.jpeg_quality = jpeg_quality
        package = require('lpips', needed_by='LPIPSMetric')
        file = find_weights(weights, FILE, 'LPIPSMetric', SOURCE)
        with warnings.catch_warnings():
            # The package builds AlexNet in a way that torchvision has deprecated.
            warnings.simplefilter('ignore')
            network = package.LPIPS(net='alex', version='0.1', pnet_rand=True, verbose=False)
        _load_alexnet(network.net, file)
        self.network: nn.Module = network.eval().requires_grad_(False)

    @torch.no_grad()
    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Measure what the model predicted."""
        for sample in data_samples:
            restored, target = sample['restored'][None].float(), sample['target'][None].float()
            if self.jpeg_quality is not None:
                restored = through_jpeg(to_bytes(restored), self.jpeg_quality).float() / 255
            network = self.network.to(restored.device)
            distance: Tensor = network(2 * restored - 1, 2 * target - 1)
            self.results.append((sample['label'], {'lpips': distance.item()}))

    def compute_metrics(self, results: list[tuple[str, dict[str, float]]]) -> dict[str, float]:
        """Mean per degradation, in the order in which the degradations first came."""
        return means_by_label(results)


def _load_alexnet(network: nn.Module, file: Path) -> None:
    """Fill the package's AlexNet, cut into slices that keep torchvision's layer numbers."""
    given = read_state_dict(file, 'LPIPSMetric: the file')
    own = network.state_dict()
    # slice2.3.weight is features.3.weight.
    names = {name: f'features.{name.partition(".")[2]}' for name in own}
    used = {published: given[published] for published in names.values() if published in given}
    if faults := misfits({names[name]: tensor for name, tensor in own.items()}, used):
        raise ValueError(f'LPIPSMetric: {file} does not hold AlexNet: {faults}.')
    network.load_state_dict({name: used[published] for name, published in names.items()})
