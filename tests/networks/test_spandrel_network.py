"""Other people's networks: any size, their own answer, and what is refused."""

import ast
import sys

import numpy as np
import pytest
import torch

import irbox
from irbox.networks.network_traits import NetworkTraits
from irbox.networks.spandrel_network import SpandrelNetwork, knows_weights
from irbox.registry import MODELS
from support.paths import ROOT
from support.zoo import small, write_small

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 50, 3)).astype(np.uint8)


@pytest.fixture(scope='module')
def nafnet(tmp_path_factory):
    path = tmp_path_factory.mktemp('zoo') / 'nafnet.pth'
    write_small('NAFNet', path)
    return path


def test_its_answer_is_that_of_its_authors_network(nafnet):
    image = torch.rand(2, 3, 16, 24)
    with torch.no_grad():
        wanted = small('NAFNet')(image).clamp(0, 1)
    network = MODELS.build({'type': 'SpandrelNetwork', 'checkpoint': str(nafnet)}).eval()
    torch.testing.assert_close(network(image), wanted)
    assert network.traits.architecture == 'NAFNet' and network.traits.purpose == 'Restoration'
    assert network(image[..., :7, :5]).shape == (2, 3, 7, 5)


@pytest.mark.parametrize(
    ('name', 'under', 'traits'),
    [
        ('NAFNet', 'params', {'multiple': 1, 'tiling': True}),
        ('DRUNet', None, {'multiple': 8}),
        ('SwinIR', 'params_ema', {'multiple': 1, 'tiling': False}),
        ('Uformer', 'state_dict', {'multiple': 128, 'square': True}),
    ],
)
@pytest.mark.filterwarnings('ignore:torch.meshgrid')
def test_a_file_restores_pictures_of_any_size(name, under, traits, tmp_path):
    path = tmp_path / f'{name}.pth'
    write_small(name, path, under)
    model = irbox.load(path, device='cpu')
    assert model.traits.architecture == name and model.name == name
    assert {key: getattr(model.traits, key) for key in traits} == traits
    assert (model.traits.scale, model.traits.channels) == (1, (3, 3))
    answer, report = model.restore(IMAGE, report=True)
    assert answer.shape == IMAGE.shape and not np.array_equal(answer, IMAGE)
    assert report.tiles == 1 and not any('seams' in note for note in report.notes)


def test_tiles_of_a_network_that_looks_at_the_whole_are_noted(nafnet, tmp_path):
    write_small('SwinIR', tmp_path / 'swinir.pth')
    for path, noted in ((nafnet, False), (tmp_path / 'swinir.pth', True)):
        _, report = irbox.load(path).restore(IMAGE, tile=32, overlap=8, report=True)
        assert report.tiles > 1
        assert any('look for seams' in note for note in report.notes) == noted


@pytest.mark.parametrize(
    ('name', 'text'),
    [('ESRGAN', '4 times the height and width'), ('DnCNN', 'takes 1 channels and gives 1')],
)
def test_what_does_something_else_is_refused(name, text, tmp_path):
    write_small(name, tmp_path / 'model.pth')
    with pytest.raises(ValueError, match=rf'{name}.*{text}.*RGB pictures at their own size'):
        irbox.load(tmp_path / 'model.pth')


def test_what_needs_a_mask_is_refused():
    assert 'a mask' in NetworkTraits('LaMa', 'Inpainting', channels=(3, 3)).refusal()
    assert NetworkTraits('any').refusal() is None


@pytest.mark.slow
def test_a_network_that_fills_in_is_refused(tmp_path):
    write_small('LaMa', tmp_path / 'lama.pth', None)
    with pytest.raises(ValueError, match='LaMa, Inpainting.*a mask'):
        irbox.load(tmp_path / 'lama.pth')


def test_it_is_not_trained_nor_saved_anew(nafnet, tmp_path):
    network = SpandrelNetwork(str(nafnet)).train()
    with pytest.raises(ValueError, match='not trained'):
        network(torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match=f'copy {nafnet}'):
        irbox.load(nafnet).save(tmp_path / 'folder')


def test_a_checkpoint_beside_its_own_is_refused(nafnet, tmp_path):
    write_small('NAFNet', tmp_path / 'other.pth')
    config = {'model': {'network': {'type': 'SpandrelNetwork', 'checkpoint': str(nafnet)}}}
    with pytest.raises(ValueError, match='another file'):
        irbox.load((config, tmp_path / 'other.pth'))


def test_weights_of_nobody(nafnet, tmp_path):
    torch.save({'a': torch.ones(2)}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'without the config.*spandrel, and these are none'):
        irbox.load(tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='No architecture of spandrel'):
        SpandrelNetwork(str(tmp_path / 'a.pth'))
    with pytest.raises(FileNotFoundError, match='does not exist'):
        SpandrelNetwork(str(tmp_path / 'b.pth'))


def test_without_the_library_one_message_names_the_extra(nafnet, monkeypatch):
    monkeypatch.setitem(sys.modules, 'spandrel', None)
    assert knows_weights({}) is None
    with pytest.raises(ImportError, match=r"pip install 'irbox\[zoo\]'"):
        SpandrelNetwork(str(nafnet))
    with pytest.raises(ValueError, match=r"not installed \(pip install 'irbox\[zoo\]'\)"):
        irbox.load(nafnet)


def test_a_precision_that_it_does_not_compute_in_is_refused(tmp_path):
    from irbox.restore.model_card import ModelCard
    from irbox.restore.restoration_model import RestorationModel

    class Fixed(torch.nn.Identity):
        traits = NetworkTraits('Fixed', unfit=('bf16',))

    with pytest.raises(ValueError, match='Fixed does not compute in it'):
        RestorationModel(Fixed(), {}, ModelCard(), 'here', 'cpu', 'bf16')


def test_no_extra_pulls_in_architectures_under_restrictive_licences():
    tree = ast.parse((ROOT / 'setup.py').read_text())
    named = [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant)]
    named += (ROOT / 'constraints.txt').read_text().splitlines()
    others = [str(one) for one in named if str(one).lower().startswith('spandrel')]
    assert others
    assert not [one for one in others if 'extra' in one]
