"""What is written into the log's JSON files, which know no infinity."""

from __future__ import annotations

import math
from typing import Any

from mmengine.runner import LogProcessor


class FiniteLogProcessor(LogProcessor):  # type: ignore[misc]  # mmengine has no types
    """Leaves infinite values and those that are no numbers out of JSON; the text has them.

    The PSNR of equal images is infinite, and so may be the gradient's norm under float16.
    """

    def get_log_after_iter(
        self, runner: Any, batch_idx: int, mode: str
    ) -> tuple[dict[str, Any], str]:
        """Give what is logged after an iteration, by name and as text."""
        tags, text = super().get_log_after_iter(runner, batch_idx, mode)
        return _finite(tags), text

    def get_log_after_epoch(
        self, runner: Any, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Give what is logged after a validation or test, by name and as text."""
        tags, text = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        return _finite(tags), text


def _finite(tags: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in tags.items()
        if not isinstance(value, float) or math.isfinite(value)
    }
