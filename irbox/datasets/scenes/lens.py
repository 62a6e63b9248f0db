"""The lens: what is not at the focused distance is blurred."""

from __future__ import annotations

import cv2
import numpy as np

LAYERS = (0.75, 1.7, 3.0, 5.0, 8.0)
"""Bounds between the layers, as the radius of the blur in pixels."""


class Lens:
    """Draws an aperture and a focus, and blurs in layers of depth.

    The circle of confusion grows with the difference of 1 / depth to that of the focus. Layers are
    blurred by a disc, or a polygon of 5 to 8 blades, and laid over each other from far to near,
    each with its blurred edge. Source: VibrantLeaves has three layers, the middle one sharp, and
    kernels of up to 10 pixels of which small ones are more frequent; here there are up to five
    blurred layers on either side.

    Args:
        rng: Where all randomness comes from.
        blur: Largest radius, in pixels; drawn by default, small ones more often.
    """

    def __init__(self, rng: np.random.Generator, blur: float | None = None) -> None:
        self.blur = 10 * rng.random() ** 2 if blur is None else blur
        self.focus = rng.random()
        self.blades = int(rng.choice([0, 0, 5, 6, 7, 8]))
        self.turn = rng.uniform(0, 2 * np.pi)

    def photograph(self, light: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Blur a picture by its depth.

        Args:
            light: (H, W, 3) float32 linear RGB.
            depth: (H, W) float32, 0 near to 1 far.
        """
        if self.blur < LAYERS[0]:
            return light
        disparity = 1 / depth.clip(0.04, None)
        near, far = np.quantile(disparity, [0.98, 0.02])
        # A thing that takes up some of the picture is in focus, not a distance where nothing is.
        focus = np.quantile(disparity, self.focus)
        radius = self.blur * (disparity - focus) / max(near - focus, focus - far, 1e-3)
        radius = radius.clip(-self.blur, self.blur)
        bounds = [-bound for bound in reversed(LAYERS)] + list(LAYERS)
        layer = np.digitize(radius, bounds)
        result = np.zeros_like(light)
        covered = np.zeros(depth.shape, np.float32)
        for number in np.unique(layer).tolist():
            mask = (layer == number).astype(np.float32)
            size = float(np.abs(radius[layer == number]).mean())
            color, alpha = light * mask[..., None], mask
            if number != len(LAYERS):
                kernel = self._kernel(size)
                color = cv2.filter2D(color, -1, kernel, borderType=cv2.BORDER_REFLECT)
                alpha = cv2.filter2D(alpha, -1, kernel, borderType=cv2.BORDER_REFLECT)
            result = color + (1 - alpha)[..., None] * result
            covered = alpha + (1 - alpha) * covered
        # Where a far layer was hidden nothing is known of it: the rest takes its place.
        answer: np.ndarray = result / covered.clip(1e-3, None)[..., None]
        return answer

    def _kernel(self, radius: float) -> np.ndarray:
        """Draw the aperture's disc or polygon, (N, N) float32 that sums to 1."""
        fine, reach = 8, int(np.ceil(radius + 0.5))
        side = 2 * reach + 1
        corners = self.blades or 48
        angle = self.turn + np.arange(corners) * (2 * np.pi / corners)
        points = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) + reach + 0.5
        sheet = np.zeros((fine * side, fine * side), np.float32)
        cv2.fillPoly(sheet, [np.rint(fine * points * 16 - 8).astype(np.int32)], 1.0, shift=4)
        kernel = cv2.resize(sheet, (side, side), interpolation=cv2.INTER_AREA)
        answer: np.ndarray = kernel / kernel.sum()
        return answer
