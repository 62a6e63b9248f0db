"""The photographs that installed packages bring along: data without a download."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image
from scipy import ndimage

from irbox.datasets.read_image import open_image
from irbox.utils.optional import folder_of, require

TRAINING = ('astronaut', 'coffee', 'rocket', 'motorcycle', 'flower')
HELD_OUT = ('china', 'chelsea')
"""Photographs that no training sample comes from."""
RESERVED = (*HELD_OUT, 'grace_hopper')
"""Photographs that no part of making a shipped model sees, not even the choice among candidates."""


@dataclass(frozen=True)
class Photograph:
    """A clean picture, and how far away things in it are, where that is known."""

    name: str
    image: Image.Image
    """RGB, 8 bits."""
    depth: Image.Image | None = None
    """Mode F, the same size, 0 near to 1 far."""


@cache
def photograph(name: str) -> Photograph:
    """Load one of the embedded photographs.

    astronaut (512x512), coffee (600x400), rocket (640x427), chelsea (451x300) and motorcycle
    (741x500, the left view of Middlebury's stereo pair, with depth) come with scikit-image; china
    and flower (640x427) with scikit-learn; grace_hopper (512x606) with matplotlib.

    Raises:
        ImportError: scikit-learn or matplotlib is not installed.
    """
    if name in ('china', 'flower'):
        folder = folder_of('sklearn', 'scikit-learn', needed_by=f'The photograph {name!r}')
        return Photograph(name, open_image(folder / 'datasets' / 'images' / f'{name}.jpg'))

    if name == 'grace_hopper':
        cbook = require(
            'matplotlib.cbook', package='matplotlib', needed_by=f'The photograph {name!r}'
        )
        return Photograph(name, open_image(cbook.get_sample_data('grace_hopper.jpg', False)))

    from skimage import data

    if name == 'motorcycle':
        # scikit-image says that it is typed; its data are not.
        left, _, disparity = data.stereo_motorcycle()  # type: ignore[no-untyped-call]
        return Photograph(name, Image.fromarray(left), Image.fromarray(_depth(disparity)))
    return Photograph(name, Image.fromarray(getattr(data, name)()))


def _depth(disparity: np.ndarray) -> np.ndarray:
    """Compute depth, 0 near to 1 far, from a disparity map whose holes are infinite."""
    hole = ~np.isfinite(disparity)
    rows, columns = ndimage.distance_transform_edt(
        hole, return_distances=False, return_indices=True
    )
    filled = disparity[rows, columns]
    near, far = filled.max(), filled.min()
    depth: np.ndarray = ndimage.median_filter((near - filled) / (near - far), 5)
    return depth.astype(np.float32)
