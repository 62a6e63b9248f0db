"""What a run depends on beside its config."""

from __future__ import annotations

import platform
from typing import Any

import mmengine
import torch

from irbox import __version__


def describe_environment() -> dict[str, Any]:
    """Name versions, system and device, by what they are."""
    return {
        'irbox': __version__,
        'mmengine': mmengine.__version__,
        'torch': torch.__version__,
        'Python': platform.python_version(),
        'system': platform.platform(),
        'device': torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f'CPU, {torch.get_num_threads()} threads',
    }
