import gc
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

from irbox.native import library
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


@pytest.fixture(scope='session')
def shared_folder(tmp_path_factory):
    """Give a folder that all workers of this run have."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if 'PYTEST_XDIST_WORKER' in os.environ else own


@pytest.fixture(scope='session')
def compile_once(shared_folder):
    """Give a ``library._run`` that compiles only what no worker has, a source or its headers."""
    run, kept = library._run, shared_folder / 'objects'
    kept.mkdir(exist_ok=True)

    def text_of(source):
        text = source.read_text(encoding='utf-8')
        headers = re.findall(r'#include "(.+)"', text)
        return text + ''.join(text_of(source.with_name(name)) for name in headers)

    def run_once(command):
        if '-c' not in command:
            return run(command)
        source, made = Path(command[command.index('-c') + 1]), Path(command[-1])
        key = repr((command[: command.index('-c')], text_of(source)))
        there = kept / f'{hashlib.sha256(key.encode()).hexdigest()}.o'
        if not there.exists():
            with tempfile.TemporaryDirectory(dir=kept) as own:
                new = Path(own, there.name)
                run([*command[:-1], str(new)])
                new.replace(there)
        shutil.copy(there, made)

    return run_once


@pytest.fixture(scope='session', autouse=True)
def _own_cache(tmp_path_factory, shared_folder, compile_once):
    """Keep what tests find out out of the user's cache; kernels are compiled for all workers."""
    cache, kernels = tmp_path_factory.mktemp('cache'), shared_folder / 'kernels'
    kernels.mkdir(exist_ok=True, mode=0o700)
    Path(cache, 'irbox').mkdir()
    Path(cache, 'irbox', 'native').symlink_to(kernels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(cache))
        patch.setattr(library, '_run', compile_once)
        yield


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
