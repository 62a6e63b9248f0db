"""The base of metrics that look at images through a published network."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from irbox.evaluation.image_metric import ImageMetric
from irbox.evaluation.image_operations import check_jpeg_quality, through_jpeg, to_bytes
from irbox.evaluation.metric_weights import find_weights
from irbox.utils.optional import require


class NetworkMetric(ImageMetric):
    """Judges images in the features of a network, whose weights are a local file.

    Args:
        weights: The file; by default ``file`` where torch.hub keeps it.
        jpeg_quality: Write restored images as JPEG and read them again first.

    Raises:
        ImportError: The package is missing.
        FileNotFoundError: The weights are not there.
        ValueError: The file holds other weights, or the quality is none.
    """

    package: ClassVar[str]
    """Name of the package that brings the network, as it is installed."""
    file: ClassVar[str]
    """Name of the file of weights, as it is published."""
    source: ClassVar[str]
    """Where it can be had, for messages."""

    def __init__(self, weights: str | None = None, jpeg_quality: int | None = None) -> None:
        super().__init__()
        check_jpeg_quality(jpeg_quality)
        self.jpeg_quality = jpeg_quality
        name = type(self).__name__
        module = self.package.replace('-', '_')
        package = require(module, package=self.package, needed_by=name)
        path = find_weights(weights, self.file, name, self.source)
        self.network: nn.Module = self.build_network(package, path).eval().requires_grad_(False)

    @abstractmethod
    def build_network(self, package: Any, file: Path) -> nn.Module:
        """Build the network with the weights of a file.

        Raises:
            ValueError: The file holds other weights.
        """

    def as_written(self, restored: Tensor) -> Tensor:
        """Give images as they are read from the files that ``jpeg_quality`` asks for."""
        if self.jpeg_quality is None:
            return restored
        return through_jpeg(to_bytes(restored), self.jpeg_quality).float() / 255
