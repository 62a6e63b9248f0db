import gc

import pytest
import torch

from irbox.utils.yapf_grammar import write_grammar_whole

# Tests run side by side, each process for itself, as the ranks of a training do.
write_grammar_whole()

# One thread: the same sums in the same order on every machine, and tests side by side do not fight.
torch.set_num_threads(1)

# What is imported and collected stays until the end: the garbage collector, which took a fifth of
# the time until the first test, need not walk through it.
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.unfreeze()  # all of it is old now, without a look at it
    gc.enable()


@pytest.fixture(scope='session', autouse=True)
def _own_cache(tmp_path_factory):
    """Keep what tests find out about their files out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
