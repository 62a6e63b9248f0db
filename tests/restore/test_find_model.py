"""Models by path, address and name."""

import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

import irbox
from irbox.engine.checkpoint import write_checkpoint
from irbox.restore import find_model as finding
from irbox.restore import known_models
from irbox.restore.find_model import find_model
from irbox.restore.known_models import KNOWN, KnownModel, model_folders
from support.published_files import small_file

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv('IRBOX_WEIGHTS', raising=False)
    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def served(tmp_path):
    """A folder behind an address, with a published file in it."""
    folder = tmp_path / 'served'
    folder.mkdir()
    torch.save(small_file('PromptIR'), folder / 'model.ckpt')

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    def handler(*arguments):
        return Quiet(*arguments, directory=str(folder))

    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        digest = hashlib.sha256((folder / 'model.ckpt').read_bytes()).hexdigest()
        yield f'http://127.0.0.1:{server.server_address[1]}/model.ckpt', digest
        server.shutdown()


def test_by_address(served, tmp_path):
    address, digest = served
    model = irbox.load(f'{address}#sha256={digest}', device='cpu')
    assert model.restore(IMAGE).shape == IMAGE.shape
    assert model.place.startswith(str(tmp_path / 'cache/irbox/models'))
    again = irbox.load(address, offline=True)
    assert again.digest == model.digest
    from_disk = irbox.load((tmp_path / 'served/model.ckpt').as_uri())
    assert from_disk.digest == model.digest
    with pytest.raises(ValueError, match='another file'):
        irbox.load(f'{address}#sha256={"0" * 64}')


def test_offline_says_where_to_put_it(served, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf'{served[0]}.*--offline.*put it to {tmp_path}'):
        irbox.load(served[0], offline=True)


def test_by_a_name_that_is_known(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"authors' page.*put them to weights/promptir\."):
        irbox.load('promptir')
    for folder in model_folders():
        folder.mkdir(parents=True)
        torch.save(small_file('PromptIR'), folder / 'promptir.ckpt')
        assert find_model('promptir') == (folder / 'promptir.ckpt', KNOWN['promptir'])
        (folder / 'promptir.ckpt').rename(folder / 'other.ckpt')
    (tmp_path / 'weights/other.ckpt').rename('weights/promptir.ckpt')
    assert irbox.load('promptir').restore(IMAGE).shape == IMAGE.shape


def test_by_a_name_whose_file_is_converted(tmp_path):
    """What convert-checkpoint writes does not hold its config: the name says it."""
    path = tmp_path / 'weights/restormer_denoise.pth'
    path.parent.mkdir()
    network = irbox.build_network('plugins/restormer_denoise')
    write_checkpoint(
        {
            'meta': {'source': 'gaussian.pth'},
            'state_dict': {f'network.{key}': one for key, one in network.state_dict().items()},
        },
        path,
    )
    model = irbox.load('restormer_denoise')
    assert model.parameters == 26_111_668 and model.place == 'weights/restormer_denoise.pth'
    with pytest.raises(ValueError, match='without the config'):
        irbox.load(path)


def test_by_a_name_with_an_address(served, monkeypatch):
    address, digest = served
    model = KnownModel('mine', 'Mine', 'plugins/promptir', 'MIT', 'here', address, digest)
    monkeypatch.setitem(known_models.KNOWN, 'mine', model)
    assert finding.KNOWN is known_models.KNOWN
    assert irbox.load('mine').restore(IMAGE).shape == IMAGE.shape


def test_every_known_model_says_what_is_needed():
    from irbox.config.shipped_configs import shipped_config

    for name, model in KNOWN.items():
        assert model.name == name and model.where and model.licence
        assert shipped_config(model.config).is_file()
        # An address without a sum could be any file.
        assert model.address is None or len(model.sha256) == 64
