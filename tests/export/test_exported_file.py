"""A tiny model as a file: what is in it, and who runs it."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import irbox
from irbox.commands.main import main
from irbox.export.export_model import export_model
from irbox.restore.exported_model import ExportedModel
from support.paths import ROOT
from support.tiny_model import photograph, tiny_model

onnx = pytest.importorskip('onnx')
runtime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')
# Torch's translator takes half a minute, however small the network.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope='module')
def model():
    model = tiny_model()
    model.network.requires_grad_(False)
    return model


@pytest.fixture(scope='module')
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'tiny.onnx'
    compared = export_model(model, path, sizes=[(20, 31), (64, 40), (50, 50)])
    assert len(compared) >= 6 and {one.engine for one in compared} >= {'ONNX Runtime'}
    return path


def test_a_file_is_of_standard_operators_and_says_what_it_is(exported, model):
    graph = onnx.load(exported)
    onnx.checker.check_model(graph, full_check=True)
    assert {one.domain for one in graph.opset_import} == {''}
    assert not graph.functions
    metadata = {one.key: one.value for one in graph.metadata_props}
    assert metadata['model'] == 'tiny' and metadata['range'] == '0 1'
    assert metadata['multiple'] == str(model.multiple) and metadata['licence'] == 'not stated'
    assert 'RestorationUNet' in metadata['config']
    assert str(ROOT).encode() not in exported.read_bytes()
    assert [path.name for path in exported.parent.iterdir()] == ['tiny.onnx']


@pytest.mark.parametrize('size', [(16, 16), (17, 33), (40, 100)])
def test_any_number_of_images_of_any_size(exported, model, size):
    session = runtime.InferenceSession(str(exported))
    assert [one.name for one in session.get_inputs()] == ['input']
    images = torch.rand(3, 3, *size)
    (answer,) = session.run(['output'], {'input': images.numpy()})
    with torch.no_grad():
        expected = model.network(images)
    torch.testing.assert_close(torch.from_numpy(answer), expected, rtol=0, atol=1e-5)


def test_the_command_restores_with_it(exported, model, tmp_path):
    picture, out = tmp_path / 'a.png', tmp_path / 'out'
    photograph(75, 50).save(picture)
    assert not main(['restore', str(picture), '--model', str(exported), '--out', str(out)])
    (answer,) = out.iterdir()
    expected = np.asarray(model.restore(Image.open(picture)))
    found = np.asarray(Image.open(answer))
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert found.any()


def test_irbox_loads_it(exported, model):
    loaded = irbox.load(exported)
    assert isinstance(loaded, ExportedModel)
    assert loaded.name == 'tiny' and loaded.multiple == model.multiple
    assert loaded.parameters == model.parameters and len(loaded.digest) == 64
    # Smaller than the file takes, and in tiles.
    for size in ((5, 3), (90, 61)):
        answer = loaded.restore(photograph(*size), tile=48 if size[0] > 48 else 'auto')
        assert answer.size == size
    with pytest.raises(ValueError, match='no prior'):
        loaded.restore(photograph(), task='haze')
    with pytest.raises(ValueError, match='save the model that it was made of'):
        loaded.save('folder')
    with pytest.raises(ValueError, match='on the CPU in float32'):
        irbox.load(exported, precision='bf16')


@pytest.fixture(scope='module')
def shipped(tmp_path_factory):
    model = irbox.load('small')
    path = tmp_path_factory.mktemp('shipped') / 'small.onnx'
    compared = export_model(model, path, sizes=[(96, 64), (130, 101)])
    assert {one.engine for one in compared} >= {'ONNX Runtime'}
    return path, model


def test_the_ten_lines_of_the_document_restore(shipped, tmp_path):
    """With numpy, Pillow and ONNX Runtime alone, by the model that comes with irbox."""
    path, model = shipped
    text = (ROOT / 'docs' / 'export.md').read_text()
    (program,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)[:1]
    assert len(program.strip().splitlines()) <= 10
    assert not {'irbox', 'torch'} & set(re.findall(r'\w+', program))
    photograph(130, 95).save(tmp_path / 'photo.png')
    program = program.replace('model.onnx', str(path))
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = np.asarray(model.restore(photograph(130, 95)))
    found = np.asarray(Image.open(tmp_path / 'restored.png'))
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_what_differs_is_not_written(exported, model, tmp_path, monkeypatch):
    monkeypatch.setattr('irbox.export.export_model.LIMIT', 0.0)
    old = tmp_path / 'a.pt2'
    old.write_bytes(b'old')
    with pytest.raises(ValueError, match=r'not written: in torch\.export .* of the deviation'):
        export_model(model, old, sizes=[(40, 30)])
    assert old.read_bytes() == b'old' and list(tmp_path.iterdir()) == [old]
