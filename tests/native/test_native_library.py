"""Where the kernels come from, and what is done where there are none."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from irbox.native import library

USE = (
    'import torch; from irbox.layers.feed_forward import GatedFeedForward;'
    'torch.manual_seed(0); layer = GatedFeedForward(16).requires_grad_(False);'
    'print(layer(torch.ones(1, 16, 4, 4)).sum().item());'
    'from irbox.native.library import native; print(native() is not None)'
)


def use(tmp_path, **environment):
    """Give the answer of a layer in a new process, whether kernels were there, and all it said."""
    done = subprocess.run(
        [sys.executable, '-c', USE],
        env=os.environ | {'XDG_CACHE_HOME': str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    answer, there = done.stdout.splitlines()[-2:]
    return float(answer), there == 'True', done.stdout + done.stderr


@pytest.fixture
def has_compiler():
    try:
        library.find_compiler()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def compile_once(tmp_path_factory):
    """``library._run`` that compiles only what is another, a source or its headers."""
    run, kept = library._run, tmp_path_factory.mktemp('objects')

    def text_of(source):
        text = source.read_text(encoding='utf-8')
        headers = re.findall(r'#include "(.+)"', text)
        return text + ''.join(text_of(source.with_name(name)) for name in headers)

    def run_once(command):
        if '-c' not in command:
            return run(command)
        source, made = Path(command[command.index('-c') + 1]), Path(command[-1])
        key = hashlib.sha256(text_of(source).encode()).hexdigest()
        if not (there := kept / key).exists():
            run([*command[:-1], str(there)])
        shutil.copy(there, made)

    return run_once


def fresh(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    library._library.cache_clear()


@pytest.fixture(autouse=True)
def _afterwards():
    yield
    library._library.cache_clear()


@pytest.mark.usefixtures('has_compiler')
def test_compiled_once(tmp_path, monkeypatch):
    fresh(monkeypatch, tmp_path)
    assert library.native() is not None
    (made,) = (tmp_path / 'irbox' / 'native').iterdir()
    assert not made.stat().st_mode & 0o022
    before = made.stat().st_mtime_ns
    fresh(monkeypatch, tmp_path)
    monkeypatch.setattr(library, '_run', lambda _: pytest.fail('compiled again'))
    assert library.native() is not None
    assert made.stat().st_mtime_ns == before


@pytest.mark.usefixtures('has_compiler')
def test_first_asked_for_under_autocast(tmp_path, monkeypatch, compile_once):
    fresh(monkeypatch, tmp_path)
    monkeypatch.setattr(library, '_run', compile_once)
    with torch.autocast('cpu', torch.bfloat16):
        assert library.native() is not None


@pytest.mark.usefixtures('has_compiler')
def test_first_asked_for_where_nothing_is_kept(tmp_path, monkeypatch, compile_once):
    """In a layer whose activations are computed again in the backward pass."""
    fresh(monkeypatch, tmp_path)
    monkeypatch.setattr(library, '_run', compile_once)
    x, found = torch.ones(2, requires_grad=True), []

    def layer(x):
        found.append(library.native())
        return x.square()

    checkpoint(layer, x, use_reentrant=False).sum().backward()
    assert None not in found and x.grad.tolist() == [2, 2]


@pytest.mark.usefixtures('has_compiler')
def test_a_file_that_others_can_write_is_not_loaded(tmp_path, monkeypatch, compile_once):
    fresh(monkeypatch, tmp_path)
    monkeypatch.setattr(library, '_run', compile_once)
    assert library.native() is not None
    (made,) = (tmp_path / 'irbox' / 'native').iterdir()
    made.chmod(0o777)
    fresh(monkeypatch, tmp_path)
    assert library.native() is None


def test_without_a_compiler_torch_computes(tmp_path):
    answer, there, said = use(tmp_path, CXX='no-such-compiler')
    assert not there
    assert "torch's operators" in said and 'no C++ compiler' in said
    switched_off, off, _ = use(tmp_path, IRBOX_NATIVE='0')
    assert not off and switched_off == answer


def test_a_compiler_that_fails(tmp_path, monkeypatch):
    fresh(monkeypatch, tmp_path)
    monkeypatch.setenv('CXX', 'false')
    assert library.native() is None
    folder = tmp_path / 'irbox' / 'native'
    assert not folder.exists() or not list(folder.iterdir()), 'nothing half done is left'


@pytest.mark.usefixtures('has_compiler')
@pytest.mark.parametrize(
    ('name', 'found', 'instead'),
    [
        ('lanes.h', 'half + half * error_function', 'half - half * error_function'),
        ('gradients.cpp', '0.39894228f', '0.38f'),
        ('gradients.cpp', 'sums[tap] += value * grad', 'sums[tap] += 1.01f * value * grad'),
        ('scans.cpp', 'x * sigmoid(x)', 'x * sigmoid(1.01f * x)'),
        ('scan_gradients.cpp', '* silu_slope(', '* sigmoid('),
        ('scans.h', '0.693146978f', '0.6932f'),
        ('scan_gradients.cpp', 'walk.carry[n] = faded', 'walk.carry[n] = g'),
        ('norms.cpp', '- apart * along[k]', '- 0.9f * apart * along[k]'),
        ('products.cpp', 'x += factor ? more * load', 'x -= factor ? more * load'),
        ('products.cpp', 'x * both * (1.0f - by)', 'x * both * (1.0f + by)'),
        ('experts.cpp', 'const Lanes of_a = weight', 'const Lanes of_a = 1.01f * weight'),
        ('experts.cpp', 'sum * s + 1.0f / 3;', 'sum * s + 1.0f / 2;'),
        ('convolutions.cpp', 'ends - middle', 'ends - 0.9f * middle'),
        ('grouped.cpp', 'adds ? load(at) + sum', 'adds ? load(at) - sum'),
        ('matrices.cpp', '-0.5f * temperature * of_keys', '-0.4f * temperature * of_keys'),
        ('routes.cpp', '= other / (1 + other)', '= other / (1.1f + other)'),
        ('layers.cpp', 'after.plus = of.pixels + at', 'after.plus = of.pixels'),
        ('wide.h', 'size, place_of(row - 1)}', 'size, place_of(row)}'),
        ('layer_gradients.cpp', '= -int64_t(follows)', '= 0'),
        ('layer_gradients.cpp', 'm * (1 - m)', 'm * (1.1f - m)'),
        ('pairs.h', '{nothing, tap[0]}, {tap[1]', '{nothing, tap[1]}, {tap[1]'),
    ],
    ids=['gate', 'gate_gradient', 'depthwise_gradient', 'causal', 'causal_gradient']
    + ['scan', 'scan_gradient', 'normalize_gradient', 'product', 'open_gradient']
    + ['experts_gradient', 'experts_log', 'convolve', 'grouped', 'attention_matrix_gradient']
    + ['route', 'feed_forward', 'ring', 'carried rows', 'mask_gradient', 'pairs'],
)
def test_kernels_that_differ_are_not_used(
    tmp_path, monkeypatch, compile_once, name, found, instead
):
    needed = {
        'products.cpp': 'avx512f',
        'layers.cpp': 'avx512f',
        'wide.h': 'avx512f',
        'layer_gradients.cpp': 'avx512f',
        'pairs.h': 'avx512_bf16',
    }.get(name, '')
    if needed not in Path('/proc/cpuinfo').read_text(encoding='utf-8'):
        pytest.skip(f'this is compiled for processors with {needed}')
    fresh(monkeypatch, tmp_path)
    folder = tmp_path / 'sources'
    shutil.copytree(library.FOLDER, folder)
    file = folder / name
    right = file.read_text(encoding='utf-8')
    assert right.count(found) == 1
    file.write_text(right.replace(found, instead), encoding='utf-8')
    monkeypatch.setattr(library, 'FOLDER', folder)
    monkeypatch.setattr(library, '_run', compile_once)
    assert library.native() is None


@pytest.mark.usefixtures('has_compiler')
def test_loaded_under_autocast(monkeypatch, tmp_path, compile_once):
    """The trial does not compute its twins in bfloat16."""
    fresh(monkeypatch, tmp_path)
    monkeypatch.setattr(library, '_run', compile_once)
    with torch.autocast('cpu', torch.bfloat16):
        assert library.native() is not None
