"""The kernels, compiled for this processor by the machine's own compiler, once."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

from mmengine.logging import print_log

from irbox.native.compiler import FOR_THIS_PROCESSOR, find_compiler
from irbox.utils.download import cache_folder
from irbox.utils.files import locked, rename
from irbox.utils.processor import processor_features

SWITCH = 'IRBOX_NATIVE'
"""Environment variable: ``0`` leaves all layers to torch's own operators."""
LANES = 16
"""Channels that a vector unit takes at once: matrix products with other widths are slower."""
FOLDER = Path(__file__).parent
SOURCES = (
    'kernels.cpp', 'gradients.cpp', 'norms.cpp', 'products.cpp', 'outer_products.cpp', 'scans.cpp',
    'scan_gradients.cpp', 'experts.cpp', 'convolutions.cpp', 'grouped.cpp', 'matrices.cpp',
    'routes.cpp', 'layers.cpp', 'layer_gradients.cpp', 'image_feed_forward.cpp',
    'image_attention.cpp',
)  # fmt: skip
HEADERS = (
    'calls.h', 'lanes.h', 'layers.h', 'maps.h', 'pairs.h', 'scans.h', 'tiles.h', 'image_layers.h',
    'image_attention.h', 'wide.h',
)  # fmt: skip
SECONDS = 120
LOCK = 'compiling.lock'
FLAGS = (
    '-std=c++20', '-O3', '-fno-math-errno', '-fno-trapping-math', '-fPIC',
)  # fmt: skip

_STRIP = (ctypes.c_void_p, *[ctypes.c_int64] * 4, ctypes.c_int)
_POINTER = ctypes.c_void_p
_ROWS = _POINTER, ctypes.c_int64
_CAUSAL = (*_ROWS, *[ctypes.c_int64] * 4, *[_POINTER] * 2)
_SCAN = (*_ROWS * 5, *[ctypes.c_int64] * 4, *[_POINTER] * 3, ctypes.c_int, ctypes.c_int64)
_PARTS = ctypes.c_int64, ctypes.c_int, ctypes.c_int
_NORM = _POINTER, _POINTER, ctypes.c_float
_FEED_FORWARD = (_POINTER, *[ctypes.c_int64] * 5, *_NORM, *[_POINTER] * 3, *_PARTS)
_SELF = (_POINTER, *_NORM, *[_POINTER] * 4, *[ctypes.c_int64] * 5, *_PARTS)
_CROSS = (*[_POINTER] * 8, *[ctypes.c_int64] * 5, *_PARTS)
_ARGUMENTS: dict[str, tuple[type, ...]] = {
    'gate': (*_STRIP, *[_POINTER] * 3, ctypes.c_int),
    'attend': (*_STRIP, ctypes.c_int64, *[_POINTER] * 5, ctypes.c_int),
    'mask': (*_STRIP, ctypes.c_int64, *[_POINTER] * 3, ctypes.c_int),
    'gate_gradient': (*_STRIP, *[_POINTER] * 6, ctypes.c_int),
    'multiplies': (),
    'product': (
        *[_POINTER, *[ctypes.c_int64] * 3], *[_POINTER, ctypes.c_int64, _POINTER, ctypes.c_int],
        *_ROWS * 3, _POINTER, *_ROWS, ctypes.c_int,
    ),
    'open_gradient': (
        *[_POINTER, *[ctypes.c_int64] * 3], _POINTER, ctypes.c_int64, *[_POINTER] * 5, ctypes.c_int,
    ),
    'outer': (
        *[_POINTER, ctypes.c_int64] * 2, *[ctypes.c_int64] * 3, *[_POINTER] * 2, ctypes.c_int,
    ),
    'depthwise_gradient': (*_STRIP, *[_POINTER] * 4, ctypes.c_int),
    'normalize_gradient': (
        _POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, ctypes.c_int, ctypes.c_float,
        *[_POINTER] * 4, ctypes.c_int,
    ),
    'normalize': (
        _POINTER, ctypes.c_int64, ctypes.c_int64, _POINTER, _POINTER, ctypes.c_float, _POINTER,
        ctypes.c_int,
    ),
    'causal': (*_CAUSAL, _POINTER, ctypes.c_int),
    'causal_gradient': (*_CAUSAL, *_ROWS, *[_POINTER] * 2, ctypes.c_int),
    'scan': (*_SCAN, *[_POINTER] * 2, ctypes.c_int),
    'scan_gradient': (*_SCAN, _POINTER, *_ROWS, *[_POINTER] * 5, ctypes.c_int),
    'grouped': (
        _POINTER, *[ctypes.c_int64] * 6, _POINTER, ctypes.c_int64, ctypes.c_int, _POINTER,
        *[ctypes.c_int64] * 2, ctypes.c_int,
    ),
    'grouped_outer': (
        *[_POINTER, *[ctypes.c_int64] * 2] * 2, *[ctypes.c_int64] * 5, _POINTER, ctypes.c_int,
    ),
    'attention_matrix': (*[_POINTER] * 4, *[ctypes.c_int64] * 4, _POINTER, ctypes.c_int),
    'attention_matrix_gradient': (
        *[_POINTER] * 4, *[ctypes.c_int64] * 4, *[_POINTER] * 6, ctypes.c_int,
    ),
    'squares': (_POINTER, _POINTER, ctypes.c_int64),
    'route': (_POINTER, *[ctypes.c_int64] * 3, *[_POINTER] * 2, ctypes.c_int),
    'experts': (
        *[_POINTER] * 3, *[ctypes.c_int64] * 4, ctypes.c_int, *[_POINTER] * 5, ctypes.c_int,
    ),
    'experts_gradient': (
        _POINTER, ctypes.c_int, *[_POINTER] * 2, *[ctypes.c_int64] * 4, *[_POINTER] * 8,
        ctypes.c_int,
    ),
    'convolve': (
        _POINTER, *[ctypes.c_int64] * 4, _POINTER, ctypes.c_int64, ctypes.c_int, _POINTER,
        ctypes.c_int,
    ),
    'feed_forward': (_POINTER,) * 5,
    'attention_sums': (*[_POINTER] * 2, ctypes.c_int64, *[_POINTER] * 3),
    'mask_layer': (_POINTER,) * 3,
    'gated_answer': (
        _POINTER, *[ctypes.c_int64] * 4, *[_POINTER] * 2, ctypes.c_double, *[_POINTER] * 10,
        ctypes.c_int,
    ),
    'feed_forward_gradient': (_POINTER,) * 6,
    'attention_gradient': (*[_POINTER] * 4, ctypes.c_int64, *[_POINTER] * 3),
    'mask_gradient': (_POINTER,) * 4,
    'gated_gradient': (
        _POINTER, *[ctypes.c_int64] * 3, *[_POINTER] * 2, ctypes.c_double, *[_POINTER] * 12,
        ctypes.c_int,
    ),
    'image_feed_forward': (*_FEED_FORWARD, *[_POINTER] * 2),
    'image_feed_forward_gradient': (*_FEED_FORWARD, *[_POINTER] * 7),
    'image_self_attention': (*_SELF, *[_POINTER] * 5),
    'image_self_attention_gradient': (*_SELF, *[_POINTER] * 11),
    'image_cross_attention': (*_CROSS, *[_POINTER] * 5),
    'image_cross_attention_gradient': (*_CROSS, *[_POINTER] * 13),
}  # fmt: skip

_ANSWERS: dict[str, type] = {'multiplies': ctypes.c_int, 'squares': ctypes.c_double}


def native() -> ctypes.CDLL | None:
    """Give the kernels; None where torch's operators are to compute.

    That is so with ``IRBOX_NATIVE=0``, without a C++ compiler, elsewhere than on Linux, and where
    a kernel gives other numbers than torch. The first call on a machine compiles for some seconds.
    """
    return None if os.environ.get(SWITCH, '1') == '0' else _library()


@cache
def _library() -> ctypes.CDLL | None:
    from irbox.native.trial import problem

    try:
        library = _load()
        trouble = problem(library)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        trouble = f'{type(error).__name__}: {str(error)[:300]}'
    if trouble is not None:
        said = f"Layers on a CPU: torch's operators, because {trouble}."
        print_log(said, logger='current')
        return None
    return library


def _load() -> ctypes.CDLL:
    compiler = find_compiler()
    folder = cache_folder() / 'native'
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _declared(_compiled(compiler, folder))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        # A folder that nothing can be written to: made anew at each start.
        with tempfile.TemporaryDirectory(prefix='irbox') as own:
            return _declared(_compiled(compiler, Path(own)))


def _compiled(compiler: list[str], folder: Path) -> Path:
    """Compile into ``folder`` what is not there yet; name the file."""
    flags = *FLAGS, FOR_THIS_PROCESSOR[platform.machine()]
    about = Path(compiler[0]).resolve()
    made_by = about, compiler[1:], about.stat().st_size, about.stat().st_mtime_ns
    text = [Path(FOLDER, name).read_text(encoding='utf-8') for name in (*SOURCES, *HEADERS)]
    key = repr((text, flags, made_by, processor_features()))
    target = folder / f'kernels_{hashlib.sha256(key.encode()).hexdigest()[:32]}.so'
    if not target.exists():
        with ExitStack() as stack:
            # Processes that start together wait for the first, unless the folder knows no locks.
            with suppress(OSError):
                stack.enter_context(locked(folder / LOCK, wait=SECONDS))
            if not target.exists():
                _compile(compiler, flags, target)
    _check_owner(target)
    return target


def _compile(compiler: list[str], flags: Sequence[str], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as own:
        linked = Path(own, 'kernels.so')
        made = [str(Path(own, name).with_suffix('.o')) for name in SOURCES]
        calls = [
            [*compiler, *flags, '-fopenmp', '-c', str(Path(FOLDER, name)), '-o', one]
            for name, one in zip(SOURCES, made, strict=True)
        ]
        with ThreadPoolExecutor() as pool:
            list(pool.map(_run, calls))
        # Not linked with OpenMP: threads are to be those that torch has, whose runtime the process
        # has loaded already.
        _run([*compiler, '-shared', *made, '-o', str(linked)])
        linked.chmod(0o755)  # whatever the umask: `_check_owner` would refuse it
        rename(linked, target)


def _check_owner(path: Path) -> None:
    """Refuse code that somebody else may have written."""
    found = path.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OSError(f'{path} can be written by others')


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f'{command[0]} ended with {done.returncode}: {done.stderr.strip()}')


def _declared(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    kinds = {
        'gate': ('float32', 'bfloat16'),
        'attend': ('float32', 'bfloat16'),
        'mask': ('float32', 'bfloat16'),
        'product': ('float32', 'bfloat16'),
        'open_gradient': ('float32', 'bfloat16'),
        'multiplies': ('float32', 'bfloat16'),
        'outer': ('float32',),
        'gate_gradient': ('float32', 'bfloat16'),
        'depthwise_gradient': ('float32', 'bfloat16'),
        'normalize_gradient': ('float32', 'bfloat16'),
        'normalize': ('float32_float32', 'float32_bfloat16', 'bfloat16_bfloat16'),
        'causal': ('float32',),
        'causal_gradient': ('float32',),
        'scan': ('float32',),
        'scan_gradient': ('float32',),
        'grouped': ('float32',),
        'grouped_outer': ('float32',),
        'attention_matrix': ('float32',),
        'attention_matrix_gradient': ('float32',),
        'squares': ('float32',),
        'route': ('float32',),
        'experts': ('float32',),
        'experts_gradient': ('float32',),
        'convolve': ('float32',),
        'feed_forward': ('float32', 'bfloat16'),
        'attention_sums': ('float32', 'bfloat16'),
        'mask_layer': ('float32', 'bfloat16'),
        'gated_answer': ('float32', 'bfloat16'),
        'feed_forward_gradient': ('float32',),
        'attention_gradient': ('float32',),
        'mask_gradient': ('float32',),
        'gated_gradient': ('float32',),
        'image_feed_forward': ('float32',),
        'image_feed_forward_gradient': ('float32',),
        'image_self_attention': ('float32',),
        'image_self_attention_gradient': ('float32',),
        'image_cross_attention': ('float32',),
        'image_cross_attention_gradient': ('float32',),
    }
    for name, endings in kinds.items():
        for ending in endings:
            function = getattr(library, f'{name}_{ending}')
            function.argtypes, function.restype = _ARGUMENTS[name], _ANSWERS.get(name)
    return library
