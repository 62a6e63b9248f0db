"""A kill before and after every system call of one save, each resumed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from support.paths import ROOT

SUPPORT = ROOT / 'tests/support'


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != 'linux' or not shutil.which('cc'), reason='builds a shim')
def test_no_place_of_a_save_loses_anything(tmp_path):
    shim = tmp_path / 'shim.so'
    build = ['cc', '-shared', '-fPIC', '-O1', SUPPORT / 'kill_at_call.c', '-o', shim, '-ldl']
    subprocess.run(build, check=True)
    result = subprocess.run(
        [sys.executable, SUPPORT / 'killed_saves.py', tmp_path],
        env=os.environ
        | {'LD_PRELOAD': str(shim), 'SHIM': str(shim), 'PYTHONPATH': str(ROOT / 'tests')}
        | {'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    # Opened, written, flushed, renamed; the older one deleted.
    assert found['places'] >= 20 and found['states'] >= 3
    assert found['failures'] == []
