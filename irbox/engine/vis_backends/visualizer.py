"""What a run is logged by, without a figure that nobody draws in."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.visualization import Visualizer as MMEngineVisualizer

from irbox.registry import VISUALIZERS


class _NoFigure:
    """Stands for the figure while mmengine's constructor asks for its resolution."""

    def get_dpi(self) -> None:
        return None


@VISUALIZERS.register_module()
class Visualizer(MMEngineVisualizer):  # type: ignore[misc]  # mmengine has no types
    """Makes the figure that is drawn in with the first image to draw on.

    mmengine's visualizer of this name, and its arguments. That one imports matplotlib for every
    run, half a second; irbox hands finished images over and draws in none.
    """

    ax_save: Any

    def _initialize_fig(self, fig_cfg: dict[str, Any]) -> tuple[Any, ...]:
        return None, _NoFigure(), None

    def set_image(self, image: np.ndarray) -> None:
        """Take an image (H, W, 3), uint8, to draw on; without one mmengine draws nothing."""
        if self.ax_save is None:
            made = super()._initialize_fig(self.fig_save_cfg)
            self.fig_save_canvas, self.fig_save, self.ax_save = made
            self.dpi = self.fig_save.get_dpi()
        super().set_image(image)
