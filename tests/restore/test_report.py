import threading

import pytest
import torch
from torch import nn

from irbox.networks.routing_places import RoutingPlaces
from irbox.restore.report import ExpertUsage, Report, beliefs
from irbox.structures import Routing


class Router(nn.Module):
    def forward(self, x):
        return Routing(torch.zeros(1, 2, 2, 2), torch.zeros(2))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.level = nn.ModuleList([nn.Sequential(Router()), Router()])
        self.other = Router()

    def places(self):
        return {'level 1: block': self.level}

    def forward(self, x):
        self.other(x)
        for block in self.level:
            block(x)


def test_where_routings_are_made_in_their_order():
    network = Network()
    with RoutingPlaces(network) as places:
        network(torch.zeros(1))
    # The Sequential gives its router's answer, too.
    assert places == ['other', 'level 1: block', 'level 1: block']
    network(torch.zeros(1))
    assert len(places) == 3


def test_what_other_threads_restore_meanwhile_is_not_heard():
    network = Network()
    with RoutingPlaces(network) as places:
        other = threading.Thread(target=network, args=[torch.zeros(1)])
        other.start()
        other.join()
        network(torch.zeros(1))
    assert places == ['other', 'level 1: block', 'level 1: block']


def test_shares_are_of_the_pixels_of_all_tiles():
    usage = ExpertUsage()
    usage.places = ['a', 'a']
    first = torch.zeros(1, 3, 2, 2)
    first[:, 0], first[:, 1, 0] = 0.5, 0.5
    second = torch.zeros(1, 3, 2, 4)
    second[:, 2] = 1
    usage.add([Routing(first, torch.zeros(3))] * 2)
    usage.add([Routing(second, torch.zeros(3))] * 2)
    shares = usage.shares()
    assert list(shares) == ['a', 'a, 2']
    assert shares['a'] == pytest.approx([4 / 12, 2 / 12, 8 / 12], abs=1e-4)


def test_plain_values():
    report = Report((2, 3), 6e-6, 'cpu', 'float32')
    report.note('once')
    report.note('once')
    assert report.as_dict()['notes'] == ['once']
    assert beliefs(['a', 'b'], torch.tensor([[0.25, 0.75]])) == {'a': 0.25, 'b': 0.75}
