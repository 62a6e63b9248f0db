"""From a traced network to ONNX."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from irbox.utils.optional import require

OPSET = 20
"""The first with GELU as an operator."""
SMALL = 256
"""Weights of fewer numbers stay as they are in a file of half precision."""


def require_packages() -> None:
    """Refuse to begin where a package is missing.

    Raises:
        ImportError: Names it.
    """
    for module in ('onnx', 'onnxscript', 'onnxruntime'):
        require(module, package="'irbox[export]'", needed_by='Exporting to ONNX')


def to_onnx(program: ExportedProgram, metadata: Mapping[str, str]) -> Any:
    """Translate a program.

    Args:
        program: As ``irbox.graphs.trace.trace`` gives it.
        metadata: Written into the file.

    Returns:
        An ``onnx.ModelProto`` with the input ``input``, those of a prior if it has any, and the
        output ``output``, of standard operators alone.

    Raises:
        ValueError: An operation has no translation.
    """
    inputs = [name for name in program.graph_signature.user_inputs if isinstance(name, str)]
    names = ['input' if name == 'image' else name for name in inputs]
    with warnings.catch_warnings():
        # Of the translator about itself.
        warnings.simplefilter('ignore')
        try:
            translated: Any = torch.onnx.export(
                program,
                (),
                input_names=names,
                output_names=['output'],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
                optimize=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().partition('\n')[0]
            raise ValueError(
                f'This network has no translation into ONNX: {reason} A .pt2 may hold it.'
            ) from error
    _simplify(translated.model)
    model = translated.model_proto
    _name_sizes(model)
    _forget_origins(model.graph)
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def halve_weights(model: Any) -> None:
    """Keep weights in half precision, in place, where that loses nothing.

    A ``Cast`` brings each back to float32, in which everything is computed. Weights that were
    rounded to half precision before they were traced lose nothing.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over='ignore'):
            half = values.astype(np.float16)
        if values.size < SMALL or not np.array_equal(half.astype(np.float32), values):
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f'{name}.half'))
        casts.append(helper.make_node('Cast', [weight.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])


def _simplify(model: Any) -> None:
    """Fold constants and take out what is there twice or for nothing, in place.

    The passes of onnxscript's ``optimize`` but for its rewriting by patterns: one of them looks at
    all nodes for each node, which takes longer than all else for a network of thousands. What runs
    faster in other words is found out by those who load the file.
    """
    from onnx_ir import passes
    from onnxscript import optimizer

    common: Any = importlib.import_module('onnx_ir.passes.common')  # parts of it have no types
    common.InlinePass()(model)
    optimizer.fold_constants(model)
    passes.Sequential(
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedFunctionsPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    )(model)


def _forget_origins(graph: Any) -> None:
    """Take out what the translator noted of each node: lines of code and paths of this machine."""
    for one in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del one.metadata_props[:]
        one.ClearField('doc_string')
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField('g'):
                _forget_origins(attribute.g)
    del graph.metadata_props[:]
    # Of the values between, sizes by torch's symbols.
    del graph.value_info[:]


def _name_sizes(model: Any) -> None:
    """Call the free sizes by their names instead of torch's symbols."""
    words = ('batch', None, 'height', 'width')
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for size, word in zip(sizes, words if len(sizes) == 4 else words[:2], strict=False):
            if word is not None and not size.HasField('dim_value'):
                size.dim_param = word
