"""Images for MLflow, under names that it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.visualization import MLflowVisBackend as MMEngineMLflowVisBackend

from irbox.registry import VISBACKENDS


@VISBACKENDS.register_module()
class MLflowVisBackend(MMEngineMLflowVisBackend):  # type: ignore[misc]  # mmengine has no types
    """Keeps an image as ``NAME_STEP.png``, as the local back-end does.

    mmengine's back-end of this name, and its arguments. That one takes an image's name for the name
    of its file, where MLflow ends with an error without a suffix, and where each validation would
    write over the images of the one before.
    """

    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        """Keep an image (H, W, 3), uint8."""
        super().add_image(f'{name}_{step}.png', image, step, **kwargs)

    def close(self) -> None:
        """Hand the files of the run over and end it.

        The second time nothing is done: files that came after the end would begin another run.
        """
        if hasattr(self, '_mlflow') and self._mlflow.active_run() is not None:
            super().close()
