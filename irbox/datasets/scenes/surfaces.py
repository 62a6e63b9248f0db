"""What a scene is made of: surfaces, each a plane piece with an outline and a look."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from irbox.datasets.scenes.outlines import Outline

SURFACE = np.dtype(
    [
        ('center', 'f4', 2),  # x and y, in pixels of the canvas
        ('radius', 'f4'),
        ('disparity', 'f4', 3),  # 1 / depth at the centre, and its change over a radius to x and y
        ('color', 'f4', 3),  # Lab at the centre
        ('slope', 'f4', 3),  # its change over a radius along the texture
        ('sheet', 'i4'),  # number of the texture
        ('scale', 'f4'),  # texels per pixel
        ('direction', 'f4', 2),  # cosine and sine of the texture's angle
        ('stretch', 'f4'),  # of the texture's second direction
        ('offset', 'f4', 2),
        ('gain', 'f4'),  # of the texture; 0 is smooth
        ('grain', 'f4'),  # standard deviation of the finest structure, in L
        ('turn', 'f4', 2),  # cosine and sine by which its hues are turned
        ('dome', 'f4'),  # how curved it is, for shading
        ('tilt', 'f4', 2),  # where its normal leans
        ('relief', 'f4'),  # how much the texture stands out, for shading
        ('glow', 'f4'),  # light that it gives itself
    ]
)
"""One surface. A plane's disparity is linear in the picture, its texture seen in perspective."""

SUBPIXELS = 4


class SurfaceList:
    """Collects surfaces, the far ones first: what is added later hides what is there.

    Args:
        size: Height and width of the canvas. The first surface covers it whole.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.outlines: list[Outline] = []
        self.blocks: list[np.ndarray] = []

    def add(self, outlines: Sequence[Outline], looks: np.ndarray) -> None:
        """Add surfaces.

        Args:
            outlines: Of each its contours in pixels of the canvas.
            looks: Their ``SURFACE`` records.
        """
        assert len(outlines) == len(looks)
        self.outlines += outlines
        self.blocks.append(looks)

    def add_placed(
        self, outlines: Sequence[Outline], looks: np.ndarray, angle: np.ndarray | None = None
    ) -> None:
        """Add surfaces whose outlines have a radius of 1, at their centres and sizes.

        Args:
            outlines: See ``outlines``.
            looks: Their records.
            angle: To turn each by, in radians.
        """
        angle = np.zeros(len(looks)) if angle is None else angle
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)
        turn *= looks['radius'][:, None, None]
        placed = [
            [contour @ matrix + center for contour in outline]
            for outline, matrix, center in zip(outlines, turn, looks['center'], strict=True)
        ]
        self.add(placed, looks)

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw which surface is seen where.

        Returns:
            (size, size) int32 numbers, and the records that they point into.
        """
        label = np.zeros((self.size, self.size), np.int32)
        for number, outline in enumerate(self.outlines):
            points = [np.rint(contour * (1 << SUBPIXELS)).astype(np.int32) for contour in outline]
            cv2.fillPoly(label, points, number, shift=SUBPIXELS)
        return label, np.concatenate(self.blocks)

    @property
    def whole(self) -> Outline:
        """Give the outline of the canvas."""
        edge = self.size + 1.0
        return [np.array([[-1, -1], [edge, -1], [edge, edge], [-1, edge]])]
