"""Random numbers of the host, refused for as long as something is recorded."""

import random

import numpy as np
import pytest
import torch

from irbox.utils.global_state import no_numbers_drawn


@pytest.mark.parametrize('draw', [random.random, np.random.rand, lambda: torch.rand(1).item()])
def test_numbers_are_refused_and_put_back(draw):
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = draw()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    with pytest.raises(RuntimeError, match='drawn on the host'), no_numbers_drawn():
        draw()
    assert draw() == expected


def test_nothing_drawn_is_fine_and_errors_pass():
    own = torch.Generator().manual_seed(1)
    with no_numbers_drawn():
        torch.rand(3, generator=own)
    with pytest.raises(KeyError), no_numbers_drawn():
        random.random()
        raise KeyError
