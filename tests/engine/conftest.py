import pytest
from torch import distributed


@pytest.fixture
def group():
    """A group of one process, in which several would do the same."""
    distributed.init_process_group('gloo', store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()
