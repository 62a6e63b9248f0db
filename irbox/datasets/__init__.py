"""Data sets and samplers: which images are read, in which order, cropped how."""

# Registers mmengine's own samplers and collate functions, which configs name too.
import mmengine.dataset  # noqa: F401

from irbox.datasets.draw_sampler import DrawSampler
from irbox.datasets.embedded_dataset import EmbeddedDataset
from irbox.datasets.paired_image_dataset import PairedImageDataset
from irbox.datasets.scene_dataset import SceneDataset
from irbox.datasets.whole_photographs import WholePhotographs
from irbox.utils.moved_modules import accept_old_names

__all__ = [
    'DrawSampler',
    'EmbeddedDataset',
    'PairedImageDataset',
    'SceneDataset',
    'WholePhotographs',
]

accept_old_names()
