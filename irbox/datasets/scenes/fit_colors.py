"""Fits the colour model of the scenes: ``python -m irbox.datasets.scenes.fit_colors``."""

from __future__ import annotations

from typing import Any

import numpy as np
import yaml
from PIL import Image

from irbox.datasets.photographs import TRAINING, photograph
from irbox.datasets.scenes.color_model import COLORS
from irbox.utils.files import write_text

ANCHORS = 8
SIDE = 96


def fit_colors(image: Image.Image, anchors: int = ANCHORS, seed: int = 0) -> list[dict[str, Any]]:
    """Describe the colours of a photograph by a few anchors in Lab.

    K-means of the pixels of a small copy; nothing but the numbers below is kept.

    Args:
        image: The photograph.
        anchors: How many clusters.
        seed: Of the first centres.

    Returns:
        For each cluster ``share`` of the pixels, ``lab`` (its mean) and ``covariance``: LL, La, Lb,
        aa, ab, bb; the largest first.
    """
    from scipy.cluster.vq import kmeans2
    from skimage.color import rgb2lab

    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = rgb2lab(np.asarray(small) / 255).reshape(-1, 3)
    _, labels = kmeans2(pixels, anchors, iter=30, minit='++', rng=np.random.default_rng(seed))
    rows = []
    for label in np.unique(labels):
        members = pixels[labels == label]
        spread = np.cov(members.T) if len(members) > 3 else np.eye(3)
        rows.append(
            {
                'share': round(len(members) / len(pixels), 3),
                'lab': np.round(members.mean(0), 1).tolist(),
                'covariance': np.round(spread[np.triu_indices(3)], 1).tolist(),
            }
        )
    return sorted(rows, key=lambda row: -row['share'])


def main() -> None:
    """Fit the training photographs and write the model beside this file."""
    model = {name: fit_colors(photograph(name).image) for name in TRAINING}
    head = (
        '# Colours of five training photographs (docs/scenes.md), as clusters in Lab.\n'
        '# Written by: python -m irbox.datasets.scenes.fit_colors\n'
    )
    write_text(COLORS, head + yaml.safe_dump(model, sort_keys=False, default_flow_style=None))


if __name__ == '__main__':
    main()
