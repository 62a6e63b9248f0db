"""Data sets, samplers, and the degradations that synthetic data is made with."""

# Registers mmengine's own samplers and collate functions, which configs name too.
import mmengine.dataset  # noqa: F401

from irbox.datasets import degradations
from irbox.datasets.draw_sampler import DrawSampler
from irbox.datasets.embedded_dataset import EmbeddedDataset
from irbox.datasets.paired_image_dataset import PairedImageDataset
from irbox.utils.moved_modules import accept_old_names

__all__ = ['DrawSampler', 'EmbeddedDataset', 'PairedImageDataset', 'degradations']

accept_old_names()
