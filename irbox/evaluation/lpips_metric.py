"""LPIPS: a distance of images in the features of a network."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from irbox.evaluation.network_metric import NetworkMetric
from irbox.evaluation.score_info import ScoreInfo
from irbox.registry import METRICS
from irbox.utils.weights import misfits, read_state_dict


@METRICS.register_module()
class LPIPSMetric(NetworkMetric):
    """Measures LPIPS per degradation: version 0.1, AlexNet, as WeatherBench and M2IR's Table IV.

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

    package = 'lpips'
    file = 'alexnet-owt-7be5be79.pth'
    source = 'torchvision (torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url)'
    scores = {'lpips': ScoreInfo(digits=4, higher_is_better=False)}

    def build_network(self, package: Any, file: Path) -> nn.Module:
        """Build the package's network with AlexNet's weights."""
        with warnings.catch_warnings():
            # The package builds AlexNet in a way that torchvision has deprecated.
            warnings.simplefilter('ignore')
            network: nn.Module = package.LPIPS(
                net='alex', version='0.1', pnet_rand=True, verbose=False
            )
        _load_alexnet(network.get_submodule('net'), file)
        return network

    def score(self, restored: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Measure the distance of images, (B, 3, H, W) in 0 to 1."""
        network = self.network.to(restored.device)
        restored = self.as_written(restored).float()
        distance: Tensor = network(2 * restored - 1, 2 * target.float() - 1)
        return {'lpips': distance.flatten()}


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
