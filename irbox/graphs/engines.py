"""Programs that run a network in ONNX on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import torch

from irbox.utils.optional import require

Arrays = Mapping[str, np.ndarray]
Engine = Callable[[Arrays], np.ndarray]
"""From the inputs by name to the answer."""

TITLES = {'onnxruntime': 'ONNX Runtime', 'openvino': 'OpenVINO'}
"""Import name -> what people call it."""
PACKAGES = {'onnxruntime': "'irbox[export]'", 'openvino': 'openvino'}
"""Import name -> what ``pip install`` takes."""
MOST_SIZES = 2
"""For which OpenVINO keeps a network compiled: tiles are of one size, and of two when turned."""
HINTS = {torch.float32: 'f32', torch.bfloat16: 'bf16'}


def engine_version(name: str) -> str | None:
    """Give the version of an engine that is installed, without importing it; None of others."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def open_engine(
    name: str,
    graph: str | bytes,
    dtype: torch.dtype = torch.float32,
    needed_by: str = 'Running an exported network',
    each_size: bool = False,
) -> Engine:
    """Open a network in ONNX in an engine, with as many threads as torch has.

    Args:
        name: ``'onnxruntime'`` or ``'openvino'``.
        graph: A file, or what it holds.
        dtype: That it computes in: float32, or bfloat16 in OpenVINO.
        needed_by: What the user asked for, for the message where it is missing.
        each_size: Let OpenVINO compile for each size when it first comes, not when it comes again.

    Returns:
        What takes the graph's inputs by name, and others that it has no use for.

    Raises:
        ImportError: The engine is not installed.
    """
    package: Any = require(name, package=PACKAGES[name], needed_by=needed_by)
    threads = torch.get_num_threads()
    if name == 'onnxruntime':
        options = package.SessionOptions()
        options.intra_op_num_threads = threads
        session = package.InferenceSession(graph, options, providers=['CPUExecutionProvider'])
        taken = [one.name for one in session.get_inputs()]
        return lambda inputs: session.run(['output'], {key: inputs[key] for key in taken})[0]
    settings = {'INFERENCE_NUM_THREADS': threads, 'INFERENCE_PRECISION_HINT': HINTS[dtype]}
    return _OpenVINO(package.Core(), graph, settings, each_size)


class _OpenVINO:
    """Runs a network for images of any size, and faster for a size that comes again.

    Compiled for one size it takes two thirds of the time or less (docs/performance.md), but
    compiling takes seconds.
    """

    def __init__(
        self, core: Any, graph: str | bytes, settings: Mapping[str, Any], each_size: bool
    ) -> None:
        self._core, self._graph, self._settings = core, graph, settings
        self._each_size, model = each_size, core.read_model(graph)
        self._names = [one.any_name for one in model.inputs]
        self._any: Any = None if each_size else core.compile_model(model, 'CPU', settings)
        self._seen: set[Any] = set()
        self._fixed: dict[Any, Any] = {}

    def __call__(self, inputs: Arrays) -> np.ndarray:
        given = {name: inputs[name] for name in self._names}
        shapes = tuple(value.shape for value in given.values())
        if (self._each_size or shapes in self._seen) and shapes not in self._fixed:
            self._compile(shapes)
        self._seen.add(shapes)
        compiled = self._fixed.get(shapes, self._any)
        # Its own memory is written over by the next answer.
        return np.array(compiled(given)['output'])

    def _compile(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        while len(self._fixed) >= MOST_SIZES:
            del self._fixed[next(iter(self._fixed))]
        model = self._core.read_model(self._graph)
        model.reshape({name: list(one) for name, one in zip(self._names, shapes, strict=True)})
        self._fixed[shapes] = self._core.compile_model(model, 'CPU', self._settings)
