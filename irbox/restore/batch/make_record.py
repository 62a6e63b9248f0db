"""What it takes to make an answer again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import irbox
from irbox.pictures import Picture
from irbox.restore.batch.settings import Settings
from irbox.restore.report import Report
from irbox.restore.restoration_model import RestorationModel


def make_record(
    model: RestorationModel, settings: Settings, picture: Picture, report: Report
) -> dict[str, Any] | None:
    """Say what it takes to make an answer again; None where the settings want no record."""
    if not settings.record:
        return None
    # The tiles as they were, not how they were chosen: memory differs from day to day. A size that
    # was set gives the same ones again.
    made = replace(
        settings,
        tile=report.tile if isinstance(settings.tile, str) else settings.tile,
        overlap=report.overlap,
        precision={'float32': 'fp32', 'bfloat16': 'bf16', 'float16': 'fp16'}[
            str(model.dtype).removeprefix('torch.')
        ],
    )
    record = {
        'version': irbox.__version__,
        'model': model.name,
        'model_sha256': model.digest,
        'input_sha256': picture.digest,
        'settings': made.repeated(),
    }
    if model.runtime != 'torch':
        record['runtime'] = model.runtime
    masks = {'mask': settings.mask, 'steer_mask': settings.steer_mask}
    return record | {name: path.name for name, path in masks.items() if path is not None}
