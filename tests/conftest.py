import pytest
import torch

# One thread: the same sums in the same order on every machine, and tests side by side do not fight.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
