"""The whole way, measured by the system."""

import multiprocessing
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from irbox.restore.memory import used_memory
from irbox.restore.model_card import ModelCard
from irbox.restore.restoration_model import RestorationModel
from irbox.structures import Context

RESET = Path('/proc/self/clear_refs')


class Wide(nn.Module):
    """Takes about a kilobyte for each pixel: 3 GB for the picture below."""

    multiple = 8

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 64, 1), nn.Conv2d(64, 3, 1)

    def describe(self, image):
        return Context(image)

    def forward(self, image, context):
        x = self.first(image)
        return image + 0.01 * self.last(x * torch.relu(x) + x)


def measure():
    """Restore a picture with a limit; gives the limit, the peak, and how many tiles it took."""
    torch.set_num_threads(1)
    model = RestorationModel(Wide(), {}, ModelCard(), 'a test', device='cpu')
    image = np.full((2000, 1800, 3), 100, np.uint8)
    model.restore(image[:300, :300])  # what is loaded once is there
    RESET.write_text('5')
    limit = used_memory(model.device) + 300 * 2**20
    answer, report = model.restore(image, max_memory=limit, report=True)
    assert answer.shape == image.shape
    status = Path('/proc/self/status').read_text()
    peak = int(re.search(r'^VmHWM:\s+(\d+) kB', status, re.MULTILINE)[1]) * 1024
    return limit, peak, report.tiles


@pytest.mark.slow
@pytest.mark.skipif(not RESET.exists(), reason='needs Linux, which forgets the peak when asked')
def test_max_memory_is_kept():
    # In a process of its own: what tests before this one left on the heap would be used first.
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        limit, peak, tiles = pool.apply(measure)
    assert tiles > 1
    assert peak < limit
    assert peak > limit - 250 * 2**20, 'what is allowed is used'
