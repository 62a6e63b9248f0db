"""The parts of an export that need no network: names, facts, packages, comparisons."""

import io
import json
import re
import sys
import zipfile

import numpy as np
import pytest
import torch

from irbox.commands.main import main
from irbox.export.darktable import write_package
from irbox.export.export_model import check_name, export_model, rounded
from irbox.graphs import agreement
from irbox.graphs.onnx_file import halve_weights
from irbox.graphs.trace import given
from irbox.restore.exported_facts import ExportedFacts
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.model_card import ModelCard
from support.tiny_model import tiny_model

CARD = ModelCard('Small One', tasks=['haze', 'rain'], licence='CC0-1.0', degradations=['a', 'b'])
FACTS = ExportedFacts(CARD, {'model': {}}, 16, 9, MemoryNeed(1000, 20), 123, True, 'float16')


def test_facts_come_back_from_the_text_of_a_file():
    text = FACTS.as_metadata()
    assert all(isinstance(value, str) for value in text.values())
    assert ExportedFacts.from_metadata(text, 'a.onnx') == FACTS
    assert {key: text[key] for key in ('model', 'licence', 'range', 'multiple')} == {
        'model': 'Small One',
        'licence': 'CC0-1.0',
        'range': '0 1',
        'multiple': '16',
    }


@pytest.mark.parametrize('broken', [{}, {'memory': 'much'}, {'card': '{'}, {'multiple': 'x'}])
def test_a_file_of_others_is_refused(broken):
    text = FACTS.as_metadata() | broken if broken else {}
    with pytest.raises(ValueError, match=r'b\.onnx does not say .* irbox export'):
        ExportedFacts.from_metadata(text, 'b.onnx')


def test_a_package_for_darktable_holds_what_it_asks_for():
    file = io.BytesIO()
    write_package(file, b'graph', CARD)
    with zipfile.ZipFile(file) as package:
        assert package.namelist() == ['config.json', 'model.onnx']
        assert package.read('model.onnx') == b'graph'
        config = json.loads(package.read('config.json'))
    assert set(config) == {'id', 'name', 'description', 'task', 'backend', 'num_inputs'}
    assert config['id'] == 'irbox-small-one' and config['num_inputs'] == 1
    assert config['description'] == 'Removes haze, rain. Licence of the weights: CC0-1.0.'


@pytest.mark.parametrize('name', ['a.pth', 'a', 'a.onnx.zip'])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r'ending in \.onnx, \.pt2, \.dtmodel'):
        check_name(tmp_path / name)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no folder'):
        check_name(tmp_path / 'no' / 'a.onnx')


def test_a_missing_package_is_named_before_anything_is_traced(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    with pytest.raises(ImportError, match=r"needs onnxscript .*pip install 'irbox\[export\]'"):
        export_model(tiny_model(), tmp_path / 'a.onnx')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'given', [['a.pth'], ['a.onnx', '--sizes', '10'], ['a.onnx', '--dtype', 'x']]
)
def test_the_command_refuses_what_makes_no_sense(given, tmp_path):
    with pytest.raises((ValueError, SystemExit)):
        main(['export', 'final.pth', str(tmp_path / given[0]), *given[1:]])


def test_the_command_keeps_a_file_that_is_there(tmp_path):
    old = tmp_path / 'a.onnx'
    old.touch()
    with pytest.raises(ValueError, match=r'a\.onnx exists.*--overwrite'):
        main(['export', 'final.pth', str(old)])


def test_rounding_leaves_the_network_alone():
    network = tiny_model().network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    copied = rounded(network)
    for key, value in network.state_dict().items():
        assert value.equal(before[key])
        assert copied.state_dict()[key].equal(value.half().float())
    network.output.weight.data[0] = 1e6
    with pytest.raises(ValueError, match=r'output\.weight leaves the range of float16'):
        rounded(network)


def test_a_network_without_a_prior_cannot_be_told():
    network = tiny_model().network
    prior = network.prior
    with given(network):
        assert network.prior is not prior
    assert network.prior is prior
    network.prior = None
    with pytest.raises(ValueError, match='no prior'), given(network):
        pass


def test_differences_are_measured_in_deviations():
    def reference(inputs):
        return inputs['input']

    def shifted(inputs):
        return inputs['input'] + np.float32(0.5) * inputs['input'].std()

    def broken(inputs):
        return inputs['input'] * np.nan

    def cropped(inputs):
        return inputs['input'][..., 1:]

    engines = {'shifted': shifted, 'broken': broken, 'cropped': cropped}
    found = list(agreement.compare(reference, engines, {}, [(20, 10), (500, 320)]))
    assert len(found) == 2 * 2 * 3
    assert {one.image for one in found} == {'photograph', 'noise'}
    for one in found:
        expected = 0.5 if one.engine == 'shifted' else float('inf')
        assert one.difference == pytest.approx(expected, rel=1e-4)
        assert one.seconds >= 0 and one.torch_seconds >= 0


def test_engines_of_torch_get_names_and_give_arrays():
    run = agreement.torch_engine(lambda image, features: image + features.sum())
    inputs = {'input': np.zeros((1, 3, 2, 2), np.float32), 'features': np.ones((1, 4), np.float32)}
    assert run(inputs).tolist() == np.full((1, 3, 2, 2), 4).tolist()


def test_weights_are_halved_where_that_loses_nothing():
    onnx = pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    exact = torch.randn(20, 20).half().float().numpy()
    inexact = np.full((20, 20), 1 / 3, np.float32)
    small = np.ones(3, np.float32)
    value = helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node('MatMul', ['input', 'exact'], ['one']),
        helper.make_node('MatMul', ['one', 'inexact'], ['two']),
        helper.make_node('ReduceSum', ['small'], ['sum']),
        helper.make_node('Mul', ['two', 'sum'], ['output']),
    ]
    weights = {'exact': exact, 'inexact': inexact, 'small': small}
    graph = helper.make_graph(
        nodes,
        'test',
        [value('input', kind, [1, 20])],
        [value('output', kind, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 20)], ir_version=10)
    before = model.SerializeToString()
    halve_weights(model)
    after = model.SerializeToString()
    assert len(before) - len(after) > 2 * 400 - 100
    given_input = {'input': np.ones((1, 20), np.float32)}
    answers = [runtime.InferenceSession(one).run(None, given_input)[0] for one in (before, after)]
    np.testing.assert_array_equal(*answers)
    kinds = {one.name: one.data_type for one in model.graph.initializer}
    assert kinds == {'exact.half': onnx.TensorProto.FLOAT16, 'inexact': kind, 'small': kind}
    assert re.search('Cast', str(model.graph.node[0]))
