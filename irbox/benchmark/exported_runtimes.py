"""Exported networks in other runtimes: what a user would pick instead."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

Run = Callable[[Tensor], Any]

PACKAGES = {'onnxruntime': ('onnxruntime', 'onnx', 'onnxscript'), 'openvino': ('openvino',)}
"""Runtime -> what it needs."""


def check(runtime: str) -> None:
    """Import what a runtime needs.

    Raises:
        ImportError: It is not installed.
    """
    for package in PACKAGES[runtime]:
        import_module(package)


def in_onnxruntime(program: Any, image: Tensor) -> Run:
    """Hand an exported network to ONNX Runtime, with the same number of threads."""
    import onnxruntime

    model = torch.onnx.export(program, (image,), dynamo=True)
    assert model is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    content = model.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda image: torch.from_numpy(session.run(None, {name: image.numpy()})[0])


def in_openvino(program: Any) -> Run:
    """Hand an exported network to OpenVINO, with the same number of threads."""
    import openvino

    settings = {
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        'INFERENCE_PRECISION_HINT': 'bf16' if torch.is_autocast_enabled('cpu') else 'f32',
    }
    model = openvino.compile_model(openvino.convert_model(program), 'CPU', settings)
    return lambda image: torch.from_numpy(model(image.numpy())[0].copy())
