"""Programs that run a graph: the inputs that they take, and sizes that come again."""

import numpy as np
import pytest
import torch

from irbox.graphs.engines import engine_version, open_engine

onnx = pytest.importorskip('onnx')


@pytest.fixture(scope='module')
def graph():
    """Doubles images of any size."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = ['batch', 3, 'height', 'width']
    nodes = [helper.make_node('Add', ['input', 'input'], ['output'])]
    values = [helper.make_tensor_value_info(name, kind, shape) for name in ('input', 'output')]
    made = helper.make_graph(nodes, 'doubling', values[:1], values[1:])
    opset = helper.make_opsetid('', 20)
    return helper.make_model(made, opset_imports=[opset], ir_version=10).SerializeToString()


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_sizes_come_and_come_again(graph, name):
    pytest.importorskip(name)
    run, rng = open_engine(name, graph), np.random.default_rng(0)
    sizes = [(4, 5), (4, 5), (6, 7), (4, 5), (6, 7), (8, 8), (8, 8), (4, 5), (4, 5)]
    answers = []
    for size in sizes:
        image = rng.random((1, 3, *size), dtype=np.float32)
        # What a prior says is of no use to it.
        answers.append((image, run({'input': image, 'features': np.ones((1, 2))})))
    for image, answer in answers:
        np.testing.assert_allclose(answer, 2 * image, rtol=1e-6)


def test_what_is_not_installed(monkeypatch):
    assert engine_version('no_such_engine') is None
    assert engine_version('onnx') == onnx.__version__
    monkeypatch.setitem(__import__('sys').modules, 'openvino', None)
    with pytest.raises(ImportError, match='Running an exported network needs openvino'):
        open_engine('openvino', b'', torch.float32)
