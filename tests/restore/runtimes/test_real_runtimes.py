"""Restoring in ONNX Runtime and OpenVINO as torch restores."""

import numpy as np
import pytest
import torch
from PIL import Image

import irbox
from irbox.commands.main import main
from irbox.restore.runtimes import kept_graph
from irbox.restore.runtimes.use_runtime import use_runtime
from support.tiny_model import photograph, routed_model, tiny_model

for package in ('onnx', 'onnxscript', 'onnxruntime'):
    pytest.importorskip(package)
# Torch's translator takes half a minute, however small the network.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KINDS = {'tiny': tiny_model, 'routed': routed_model}


@pytest.fixture(scope='module', params=KINDS)
def make(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))

        def build():
            model = KINDS[request.param]()
            model.network.requires_grad_(False)
            return model

        yield build


@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
def test_pictures_are_restored_as_in_torch(make, runtime, monkeypatch):
    pytest.importorskip(runtime)
    model, expected, said = make(), make(), []
    use_runtime(model, runtime, 'auto', said.append)
    assert model.runtime == runtime
    once = bool(said)
    picture = photograph(90, 61)
    task = model.card.degradations[0]
    for options in ({'tile': 'none'}, {'tile': 48}, {'task': task}, {'tile': 48, 'not_': task}):
        answer = np.asarray(model.restore(picture, **options)).astype(int)
        wanted = np.asarray(expected.restore(picture, **options))
        assert np.abs(answer - wanted).max() <= 1, options
    # Told, and not only said to be: in floats, where rounding is far less than what it changes.
    pixels = np.asarray(picture, np.float32) / 255
    told, own = (model.restore(pixels, **one) for one in ({'task': task}, {}))
    if model.runtime_notes:
        wanted = expected.restore(pixels, task=task)
        assert np.abs(told - own).max() > 20 * np.abs(told - wanted).max()
    monkeypatch.setattr(kept_graph, '_export', None)  # a second start exports nothing
    again = make()
    use_runtime(again, runtime, 'auto', said.append)
    assert again.runtime == runtime and len(said) == once


def test_a_choice_is_made_and_kept(make):
    said = []
    for _ in range(2):
        model = make()
        use_runtime(model, 'auto', 'auto', said.append)
    *_, first, second = said
    assert first == second and 'torch ' in first


def test_the_command_restores_with_it(make, tmp_path, capsys):
    if make().name != 'tiny':
        pytest.skip('once is enough')
    folder, picture, out = make().save(tmp_path / 'model'), tmp_path / 'a.png', tmp_path / 'out'
    photograph(75, 50).save(picture)
    how = ['restore', str(picture), '--model', str(folder), '--out']
    assert not main([*how, str(out), '--runtime', 'onnxruntime'])
    answer = np.asarray(Image.open(out / 'a.png')).astype(int)
    assert np.abs(answer - np.asarray(make().restore(Image.open(picture)))).max() <= 1
    assert not main([*how, str(tmp_path / 'auto'), '--runtime', 'auto'])
    assert 'computed by' in capsys.readouterr().err


def test_bfloat16_in_openvino(make):
    pytest.importorskip('openvino')
    if not torch.cpu.get_capabilities().get('avx512_bf16'):
        pytest.skip('this processor does not multiply bfloat16')
    model = make()
    model.dtype, model.precision = torch.bfloat16, 'bfloat16: as asked for'
    use_runtime(model, 'openvino', 'bf16', print)
    answer = np.asarray(model.restore(photograph(90, 61))).astype(int)
    assert np.abs(answer - np.asarray(make().restore(photograph(90, 61)))).max() <= 4
    assert irbox.__version__ and model.precision.startswith('bfloat16: ')
