"""Memory is kept where glibc can be told to, and a process does not grow by it."""

import os
import subprocess
import sys

import pytest

from irbox.utils import keep_memory as module
from irbox.utils.keep_memory import MOST, keep_memory, release_kept_memory

needs_glibc = pytest.mark.skipif(module._glibc() is None, reason='not on glibc')

MEASURE = """
import sys
from pathlib import Path
import torch
from irbox.utils.keep_memory import keep_memory, release_kept_memory
torch.set_num_threads(1)
if sys.argv[1] == 'keep':
    assert keep_memory()
def resident():
    return int(Path('/proc/self/statm').read_text().split()[1]) // 256
def faults():
    return int(Path('/proc/self/stat').read_text().rsplit(')')[1].split()[7])
start, before = resident(), faults()
early = late = 0
generator = torch.Generator().manual_seed(0)
for number in range(240):
    # Four maps of 0.2 to 16 MiB, then one of 64, of sizes that do not come back.
    sizes = torch.randint(50_000, 4_000_000, (4,), generator=generator).tolist()
    maps = [torch.zeros(size) for size in sizes]
    del maps
    torch.zeros(2**24)
    late = max(late, resident() - start)
    early = late if number < 120 else early
count = faults() - before
release_kept_memory()
print(early, late, resident() - start, count)
"""


def measure(how):
    done = subprocess.run(
        [sys.executable, '-c', MEASURE, how], capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]


@pytest.mark.slow
@needs_glibc
def test_pages_are_used_again_and_given_back():
    early, late, left, faults = measure('keep')
    *_, usual = measure('leave')
    assert faults < usual / 4, 'memory was new each time'
    assert late < early + 32, 'MiB: the process grows on'
    assert left < late / 2, 'MiB: what was free was not given back'


def test_nothing_is_done_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert not keep_memory()
    assert not release_kept_memory()


def test_nothing_is_done_on_another_c_library(monkeypatch):
    def refuse(name):
        raise ValueError('unrecognized configuration name')

    monkeypatch.setattr(os, 'confstr', refuse)
    assert not keep_memory()


@pytest.mark.parametrize('most', [-1, MOST + 1])
def test_what_cannot_be_told(most):
    with pytest.raises(ValueError, match='must be bytes between'):
        keep_memory(most)
