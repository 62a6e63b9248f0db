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
) -> Engine:
    """Open a network in ONNX in an engine, with as many threads as torch has.

    Args:
        name: ``'onnxruntime'`` or ``'openvino'``.
        graph: A file, or what it holds.
        dtype: That it computes in: float32, or bfloat16 in OpenVINO.
        needed_by: What the user asked for, for the message where it is missing.

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
    core = package.Core()
    compiled = core.compile_model(core.read_model(graph), 'CPU', settings)
    known = [one.any_name for one in compiled.inputs]

    def run(inputs: Arrays) -> np.ndarray:
        # Its own memory is written over by the next answer.
        return np.array(compiled({key: inputs[key] for key in known})['output'])

    return run
