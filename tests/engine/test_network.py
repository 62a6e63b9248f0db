import pytest
import torch
from mmengine.config import Config

import irbox

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
