"""Where the kernels come from, and what is done where there are none."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from irbox.native import compiler, library

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
        compiler.find_compiler()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def fresh(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    library._library.cache_clear()


def kernels_in(tmp_path):
    return list(Path(tmp_path, 'irbox', 'native').glob('*.so'))


@pytest.fixture(autouse=True)
def _afterwards():
    yield
    library._library.cache_clear()


@pytest.mark.usefixtures('has_compiler')
def test_compiled_once(tmp_path, monkeypatch):
    fresh(monkeypatch, tmp_path)
    assert library.native() is not None
    (made,) = kernels_in(tmp_path)
    assert not made.stat().st_mode & 0o022
    before = made.stat().st_mtime_ns
    fresh(monkeypatch, tmp_path)
    monkeypatch.setattr(library, '_run', lambda _: pytest.fail('compiled again'))
    assert library.native() is not None
    assert made.stat().st_mtime_ns == before


@pytest.mark.usefixtures('has_compiler')
def test_first_asked_for_under_autocast(tmp_path, monkeypatch):
    fresh(monkeypatch, tmp_path)
    with torch.autocast('cpu', torch.bfloat16):
        assert library.native() is not None


@pytest.mark.usefixtures('has_compiler')
def test_first_asked_for_where_nothing_is_kept(tmp_path, monkeypatch):
    """In a layer whose activations are computed again in the backward pass."""
    fresh(monkeypatch, tmp_path)
    x, found = torch.ones(2, requires_grad=True), []

    def layer(x):
        found.append(library.native())
        return x.square()

    checkpoint(layer, x, use_reentrant=False).sum().backward()
    assert None not in found and x.grad.tolist() == [2, 2]


@pytest.mark.usefixtures('has_compiler')
def test_a_file_that_others_can_write_is_not_loaded(tmp_path, monkeypatch):
    fresh(monkeypatch, tmp_path)
    assert library.native() is not None
    (made,) = kernels_in(tmp_path)
    made.chmod(0o777)
    fresh(monkeypatch, tmp_path)
    assert library.native() is None


def test_what_is_made_is_loaded_whatever_the_umask(tmp_path, monkeypatch):
    def run(command):
        Path(command[command.index('-o') + 1]).touch(0o775)

    monkeypatch.setattr(library, '_run', run)
    before = os.umask(0o002)
    try:
        library._compile(['c++'], library.FLAGS, tmp_path / 'kernels.so')
    finally:
        os.umask(before)
    library._check_owner(tmp_path / 'kernels.so')


@pytest.mark.parametrize('number', [errno.EACCES, errno.EROFS])
def test_a_cache_that_nothing_can_be_written_to(tmp_path, monkeypatch, number):
    fresh(monkeypatch, tmp_path)
    given = []

    def compile_there(_, folder):
        given.append(folder)
        if folder.is_relative_to(tmp_path):
            raise OSError(number, 'no writing')
        return folder

    monkeypatch.setattr(library, '_compiled', compile_there)
    monkeypatch.setattr(library, '_declared', lambda path: path)
    monkeypatch.setattr(library, 'find_compiler', lambda: ['c++'])
    assert library._load() == given[1]
    assert not given[1].exists(), 'it is gone'


def test_a_compiler_of_several_words(monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name: f'/bin/{name}')
    monkeypatch.setattr(platform, 'system', lambda: 'Linux')
    monkeypatch.setattr(platform, 'machine', lambda: 'x86_64')
    monkeypatch.setenv('CXX', 'ccache g++ -static-libgcc')
    assert compiler.find_compiler() == ['/bin/ccache', 'g++', '-static-libgcc']
    monkeypatch.setattr(shutil, 'which', lambda _: None)
    with pytest.raises(FileNotFoundError, match='called ccache g'):
        compiler.find_compiler()


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
    assert not kernels_in(tmp_path), 'nothing half done is left'
    assert not list(Path(tmp_path).rglob('*.o'))


SPOILED = {
    'gate': ('kernels.cpp', 'gelu(opened[k]) * value[k]', 'gelu(opened[k]) + value[k]'),
    'gate_gradient': ('gradients.cpp', '0.39894228f', '0.38f'),
    'depthwise_gradient': (
        'gradients.cpp',
        'sums[tap] += value * grad',
        'sums[tap] += 1.01f * value * grad',
    ),
    'causal': ('scans.cpp', 'x * sigmoid(x)', 'x * sigmoid(1.01f * x)'),
    'causal_gradient': ('scan_gradients.cpp', '* silu_slope(', '* sigmoid('),
    'scan': ('scans.h', '0.693146978f', '0.6932f'),
    'scan_gradient': ('scan_gradients.cpp', 'walk.carry[n] = faded', 'walk.carry[n] = g'),
    'normalize_gradient': ('norms.cpp', '- apart * along[k]', '- 0.9f * apart * along[k]'),
    'product': ('products.cpp', 'x += factor ? more * load', 'x -= factor ? more * load'),
    'open_gradient': ('products.cpp', 'x * both * (1.0f - by)', 'x * both * (1.0f + by)'),
    'experts_gradient': (
        'experts.cpp',
        'const Lanes of_a = weight',
        'const Lanes of_a = 1.01f * weight',
    ),
    'experts_log': ('experts.cpp', 'sum * s + 1.0f / 3;', 'sum * s + 1.0f / 2;'),
    'convolve': ('convolutions.cpp', 'ends - middle', 'ends - 0.9f * middle'),
    'grouped': ('grouped.cpp', 'adds ? load(at) + sum', 'adds ? load(at) - sum'),
    'attention_matrix_gradient': (
        'matrices.cpp',
        '-0.5f * temperature * of_keys',
        '-0.4f * temperature * of_keys',
    ),
    'route': ('routes.cpp', '= other / (1 + other)', '= other / (1.1f + other)'),
    'feed_forward': ('layers.cpp', 'after.plus = of.pixels + at', 'after.plus = of.pixels'),
    'ring': ('wide.h', 'size, place_of(row - 1), left', 'size, place_of(row), left'),
    'column on the left': ('wide.h', '(end - 1) * of.channels', '(end - 2) * of.channels'),
    'carried rows': ('layer_gradients.cpp', '= -int64_t(follows)', '= 0'),
    'mask_gradient': ('layer_gradients.cpp', 'm * (1 - m)', 'm * (1.1f - m)'),
    'pairs': ('pairs.h', '{nothing, tap[0]}, {tap[1]', '{nothing, tap[1]}, {tap[1]'),
}
"""Of each kernel a file, what stands there once, and what makes its answers wrong."""
SLOW = (
    'gate',
    'depthwise_gradient',
    'scan',
    'open_gradient',
    'experts_gradient',
    'experts_log',
    'ring',
    'carried rows',
    'pairs',
)
"""In files that take long to compile, or where another kernel is spoiled as well."""


@pytest.mark.usefixtures('has_compiler')
@pytest.mark.parametrize(
    ('name', 'found', 'instead'),
    [
        pytest.param(*spoiled, id=kernel, marks=[pytest.mark.slow] * (kernel in SLOW))
        for kernel, spoiled in SPOILED.items()
    ],
)
def test_kernels_that_differ_are_not_used(tmp_path, monkeypatch, name, found, instead):
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
    assert library.native() is None


@pytest.mark.usefixtures('has_compiler')
def test_loaded_under_autocast(monkeypatch, tmp_path):
    """The trial does not compute its twins in bfloat16."""
    fresh(monkeypatch, tmp_path)
    with torch.autocast('cpu', torch.bfloat16):
        assert library.native() is not None
