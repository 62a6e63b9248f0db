import torch

import irbox
from irbox.config import load_plugins
from irbox.registry import EXPERTS
from irbox.testing import check_expert
from support.paths import ROOT
from support.peers import trains

PLUGIN = ROOT / 'plugins/fourier_expert.py'


def expert(dim=4):
    load_plugins([str(PLUGIN)])
    return EXPERTS.build({'type': 'FourierExpert'}, dim=dim)


def test_it_keeps_what_an_expert_must_keep():
    expert()
    check_expert(EXPERTS.get('FourierExpert'))


def test_the_gains_act_on_the_constant_part_and_on_the_rest():
    part = expert()
    with torch.no_grad():
        part.constant_gain.fill_(2)
        part.detail_gain.fill_(3)
        part.mix.weight.copy_(torch.eye(4).view(4, 4, 1, 1))
        part.mix.bias.zero_()
    x = torch.rand(2, 4, 5, 7)
    mean = x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(part(x), 2 * mean + 3 * (x - mean))


def test_a_config_uses_it():
    config = ROOT / 'configs/plugins/fourier_expert_demo.yaml'
    network = irbox.build_network(config, {'model.network.dim': 8})
    names = {type(module).__name__ for module in network.modules()}
    assert 'FourierExpert' in names and 'MLPExpert' not in names
    assert network(torch.rand(1, 3, 17, 23)).shape == (1, 3, 17, 23)


def test_a_config_trains_with_it():
    trains('fourier_expert_demo.yaml')
