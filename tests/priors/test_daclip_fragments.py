import pytest
import torch

import irbox
from irbox.priors.daclip.presets import PRESETS
from support.daclip_files import TINY_ARCH
from support.paths import ROOT

BASES = ROOT / 'configs/_base_'
CONFIG = """
_base_: [{bases}/models/unet.yaml, {bases}/priors/{name}.yaml]
model: {{network: {{prior: {{{{_base_._prior}}}}}}}}
"""


def test_there_is_one_for_every_preset():
    fragments = (BASES / 'priors').glob('*.yaml')
    assert {one.stem for one in fragments if 'DACLIPPrior' in one.read_text()} == set(PRESETS)


@pytest.mark.parametrize('name', sorted(PRESETS))
def test_a_fragment_gives_a_network_its_prior(tmp_path, name):
    config = tmp_path / 'config.yaml'
    config.write_text(CONFIG.format(bases=BASES, name=name))
    options = {
        'model.network.dim': 8,
        'model.network.prior.arch': TINY_ARCH,
        'model.network.prior.allow_random': True,
    }
    prior = irbox.build_network(config, options).prior
    belief = prior(torch.rand(1, 3, 40, 56))
    expected = len(PRESETS[name].get('words', ())) or 5
    assert belief.probabilities.shape == (1, expected)
    assert prior.checkpoint_record()['words']
