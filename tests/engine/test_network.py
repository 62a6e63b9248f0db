import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

import irbox
from support.paths import ROOT

BLOCK = {'block': {'type': 'TransformerBlock'}}
NETWORK = {
    'type': 'RestorationUNet',
    'dim': 8,
    'depths': [1, 1],
    'heads': [1, 2],
    'refinement': 1,
    'encoder': BLOCK,
    'bottleneck': BLOCK,
    'decoder': BLOCK,
}
CONTENT = {'model': {'type': 'Restorer', 'network': NETWORK}}
PLUGIN = """
from torch import nn
from irbox.registry import BLOCKS

@BLOCKS.register_module()
class {name}(nn.Module):
    def __init__(self, stage):
        super().__init__()

    def forward(self, x, context):
        return x
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name='config.yaml'):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def works(network):
    image = torch.rand(1, 3, 8, 10)
    return not network.training and network(image).shape == image.shape


def test_from_a_dict_and_from_a_config():
    assert works(irbox.build_network(CONTENT))
    assert works(irbox.build_network(Config(CONTENT)))


def test_from_a_file(write):
    path = write(f'model: {CONTENT["model"]!r}')
    assert works(irbox.build_network(path))
    assert works(irbox.build_network(str(path)))


def test_only_the_model_of_a_file_is_looked_into(write):
    text = f'model: {CONTENT["model"]!r}\ntrain_dataloader: {{dataset: {{type: Nowhere}}}}'
    assert works(irbox.build_network(write(text)))


def test_plugins_of_a_dict_are_imported(write):
    plugin = write(PLUGIN.format(name='PassesOn'), 'passes_on.py')
    part = {'block': {'type': 'PassesOn'}}
    network = NETWORK | {'encoder': part, 'bottleneck': part, 'decoder': part}
    content = {'plugins': [str(plugin)], 'model': {'type': 'Restorer', 'network': network}}
    assert works(irbox.build_network(content))


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ({'modle': {}}, "no `model`. Did you mean 'modle'"),
        ({'model': {'type': 'Restorer'}}, 'no `model.network`'),
        ({'model': None}, 'no `model.network`'),
        ({'model': {'network': {'type': 'RestorationNet'}}}, "Did you mean 'RestorationUNet'"),
        ({'model': {'network': NETWORK | {'dims': 3}}}, "takes no argument 'dims'.*'dim'"),
    ],
)
def test_mistakes_are_named(content, text):
    with pytest.raises(ValueError, match=text):
        irbox.build_network(content)


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match='nowhere.yaml does not exist'):
        irbox.build_network('nowhere.yaml')


@pytest.mark.slow
def test_the_state_of_the_process_stays_as_it_was(tmp_path):
    """In a fresh process, where libraries are imported on the way."""
    path = tmp_path / 'state.py'
    path.write_text(STATE)
    config = str(ROOT / 'configs/m2ir_5d.py')
    result = subprocess.run(
        [sys.executable, path, config], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stdout + result.stderr


STATE = """
import os, random, sys
import numpy, torch
import irbox

def state():
    environment = dict(os.environ)
    return environment, random.getstate(), str(numpy.random.get_state()), torch.initial_seed()

random.seed(1)
numpy.random.seed(2)
torch.manual_seed(3)
before, drawn = state(), torch.get_rng_state()
with torch.device('meta'):
    irbox.build_network(sys.argv[1])
assert 'rich' in sys.modules and 'open_clip' in sys.modules
assert state() == before
assert torch.equal(torch.get_rng_state(), drawn)  # on the meta device nothing is drawn
try:
    irbox.build_network({'model': {}})
except ValueError:
    assert state() == before
"""


def test_the_seed_of_torch_decides_the_weights():
    torch.manual_seed(5)
    one, other = irbox.build_network(CONTENT), irbox.build_network(CONTENT)
    torch.manual_seed(5)
    again = irbox.build_network(CONTENT)
    assert torch.equal(again.embed.weight, one.embed.weight)
    assert not torch.equal(other.embed.weight, one.embed.weight)
