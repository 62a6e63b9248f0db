"""A picture that a model believes to be clean is given back, in every way of restoring."""

import json

import numpy as np
import pytest
import torch

import irbox
from irbox.restore.model_card import ModelCard
from irbox.restore.options import Options
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.restore_together import restore_together
from support.believing_unet import LABELS, SETTINGS, believing_unet, without
from support.tiny_model import photograph

CONFIG = {'model': {'network': {'type': 'RestorationUNet', **SETTINGS, 'least_change': 3}}}


@pytest.fixture(scope='module')
def model():
    # Two levels: visible in 8 bits.
    network = believing_unet(levels=2, least_change=3).requires_grad_(False)
    return RestorationModel(network, CONFIG, ModelCard('gentle'), 'a test', 'cpu', 'fp32')


@pytest.mark.parametrize(
    'options',
    [{}, {'tile': 32, 'overlap': 8}, {'self_ensemble': True}, {'strength': 0.5}],
    ids=lambda options: ' '.join(options) or 'plain',
)
def test_a_picture_comes_back(model, options):
    picture = photograph(75, 51)
    assert np.array_equal(np.asarray(model.restore(picture, **options)), np.asarray(picture))


def test_who_says_what_it_has_is_obeyed(model):
    picture = photograph(75, 51)
    assert model.card.degradations == LABELS
    told = np.asarray(model.restore(picture, task='rain'))
    assert not np.array_equal(told, np.asarray(picture))
    tiles = np.asarray(model.restore(picture, task='rain', tile=32, overlap=8))
    assert not np.array_equal(tiles, np.asarray(picture))


def test_pictures_in_one_batch(model, tmp_path):
    paths = []
    for number in range(2):
        paths.append(tmp_path / f'{number}.png')
        photograph(60, 40).save(paths[-1])
    pictures = [irbox.pictures.read_picture(path) for path in paths]
    for done in restore_together(model, pictures, Options()):
        assert np.array_equal(np.asarray(done.image), np.asarray(photograph(60, 40)))


def test_it_is_kept_with_the_weights_and_older_folders_do_without(model, tmp_path):
    folder = model.save(tmp_path / 'model')
    picture = photograph(40, 30)
    loaded = irbox.load(folder, device='cpu', precision='fp32')
    assert np.array_equal(np.asarray(loaded.restore(picture)), np.asarray(picture))
    content = json.loads((folder / 'config.json').read_text())
    assert content['model']['network'].pop('least_change') == 3
    del content['model']['network']['prior']['labels']
    (folder / 'config.json').write_text(json.dumps(content))
    older = irbox.load(folder, device='cpu', precision='fp32')
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        expected = (without(model.network)(image).clamp(0, 1) * 255).round()[0].permute(1, 2, 0)
    assert np.array_equal(np.asarray(older.restore(picture)), expected.numpy().astype(np.uint8))
    assert not np.array_equal(np.asarray(older.restore(picture)), np.asarray(picture))


def test_a_folder_that_asks_for_what_its_prior_does_not_know_says_so(model, tmp_path):
    folder = model.save(tmp_path / 'model')
    content = json.loads((folder / 'config.json').read_text())
    del content['model']['network']['prior']['labels']
    (folder / 'config.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match="least_change=3 .*'clean' among its `labels`"):
        irbox.load(folder)


@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
@pytest.mark.slow
def test_in_another_runtime(model, runtime, tmp_path, monkeypatch):
    pytest.importorskip(runtime)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = model.save(tmp_path / 'model')
    loaded = irbox.load(folder, device='cpu', precision='fp32', runtime=runtime)
    assert loaded.runtime == runtime
    picture = photograph(120, 90)
    assert np.array_equal(np.asarray(loaded.restore(picture)), np.asarray(picture))
    tiled = loaded.restore(picture, tile=64, overlap=16)
    assert np.array_equal(np.asarray(tiled), np.asarray(picture))
    wanted = np.asarray(model.restore(picture, task='rain')).astype(int)
    told = np.asarray(loaded.restore(picture, task='rain')).astype(int)
    assert np.abs(told - wanted).max() <= 1 and (told != np.asarray(picture)).any()
