"""Published checkpoints, taken as they are: recognized by their keys, as wide as they are."""

import numpy as np
import pytest
import torch
import yaml

import irbox
from irbox.conversion.published import PUBLISHED, as_ours, recognize
from support.m2restore_file import TINY, released_weights, tiny_network, write_m2restore_file
from support.paths import ROOT
from support.published_files import small_file

SMALL = [system.name for system in PUBLISHED if system.name != 'M2Restore']
IMAGE = np.random.default_rng(0).integers(0, 256, (24, 20, 3)).astype(np.uint8)


def weights_of(content):
    return content.get('state_dict') or content['params']


@pytest.mark.parametrize('system', SMALL)
def test_a_file_restores_as_it_was_published(system, tmp_path):
    """The same answer as the config with the converted weights gives."""
    content = small_file(system)
    path = tmp_path / 'model.ckpt'
    torch.save(content, path)
    found = recognize(weights_of(content))
    assert found.name == system
    model = irbox.load(path, device='cpu')
    config = found.config_for(weights_of(content))
    network = irbox.build_network(config)
    network.load_state_dict(found.convert(weights_of(content), network), strict=True)
    image = torch.from_numpy(IMAGE).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        wanted = network(image).clamp(0, 1)
    torch.testing.assert_close(model(image), wanted)
    assert not torch.allclose(wanted, image, atol=1e-3)
    assert model.restore(IMAGE).shape == IMAGE.shape
    assert not any(weight.requires_grad for weight in model.network.parameters())


def test_each_is_told_from_the_others():
    whose = {system: recognize(weights_of(small_file(system))).name for system in SMALL}
    assert whose == {system: system for system in SMALL}
    assert recognize(released_weights(TINY)).name == 'M2Restore'
    # Another system with a Restormer inside is not a Restormer.
    more = weights_of(small_file('Restormer')) | {'prompt.weight': torch.ones(1)}
    assert recognize(more) is None
    assert recognize({}) is None


def test_m2restore_with_its_config(tmp_path):
    """With another prior, since DA-CLIP has a file of its own."""
    write_m2restore_file(tmp_path / 'released.ckpt', TINY, 9)
    official = ROOT / 'configs/_base_/models/m2restore_official.yaml'
    config = tmp_path / 'tiny.yaml'
    config.write_text(
        yaml.safe_dump({'_base_': str(official), 'model': {'network': tiny_network()}})
    )
    model = irbox.load((config, tmp_path / 'released.ckpt'), device='cpu')
    wanted = as_ours(released_weights(TINY, 9), model.network)
    own = model.network.state_dict()
    assert all(torch.equal(own[key], value) for key, value in wanted.items())
    assert model.restore(IMAGE).shape == IMAGE.shape


def test_m2restore_alone_asks_for_its_prior(tmp_path, monkeypatch):
    monkeypatch.delenv('IRBOX_DACLIP_CKPT', raising=False)
    monkeypatch.chdir(tmp_path)
    write_m2restore_file(tmp_path / 'released.ckpt', TINY, 9)
    with pytest.raises(FileNotFoundError, match='DA-CLIP weights not found'):
        irbox.load('released.ckpt')


def test_weights_that_do_not_fit_are_named(tmp_path):
    content = small_file('AdaIR')
    del content['state_dict']['net.fre2.para1']
    torch.save(content, tmp_path / 'model.ckpt')
    with pytest.raises(ValueError, match=r'AdaIR.*1 missing \(fre2\.para1\)'):
        irbox.load(tmp_path / 'model.ckpt')


def test_code_in_a_file_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / 'ran'), 'w'))

    torch.save(small_file('PromptIR') | {'hyper_parameters': Trap()}, tmp_path / 'model.ckpt')
    with pytest.raises(ValueError, match=r'could run code.*--trust-pickle'):
        irbox.load(tmp_path / 'model.ckpt')
    assert not (tmp_path / 'ran').exists()
