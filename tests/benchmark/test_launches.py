"""What is counted as a launch, and its bytes."""

import torch
from torch import nn

from irbox.benchmark.launches import count_launches
from irbox.registry import MODELS
from irbox.testing.reference import textbook
from support.small_model import small_config


class Calls(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, image):
        return self.run(image)


def count(run, device='meta'):
    return count_launches(Calls(run), torch.zeros(1, 3, 4, 5, device=device))


def test_views_launch_nothing():
    assert (
        count(lambda x: x.permute(0, 2, 3, 1).reshape(1, 3, 20)[:, :2].expand(4, 2, 20)).count == 1
    )
    assert count(lambda x: x.flatten(2).transpose(1, 2).chunk(2, 1)[0].detach()).count == 0
    assert count(lambda x: x.contiguous().float()).count == 0


def test_operators_count_once_with_their_bytes():
    found = count(lambda x: torch.relu(x) + x)
    assert found.by_name == {'relu': 1, 'add': 1}
    assert found.read == 3 * 60 * 4
    assert found.written == 2 * 60 * 4


def test_operators_of_operators_are_taken_apart():
    weight = torch.zeros(7, 5, device='meta')
    assert count(lambda x: nn.functional.linear(x, weight)).by_name == {'mm': 1}


def test_what_is_repeated_is_read_once():
    assert count(lambda x: x[:, :1].expand(1, 64, 4, 5) * 2).read == 20 * 4


def test_what_is_there_at_once():
    """The input was there before, a view is no memory, and what nobody holds is none."""
    found = count(lambda x: (torch.relu(torch.relu(x) + x) * 2).flatten())
    assert found.held == 2 * 60 * 4
    assert count(lambda x: x.add_(1).view(60)).held == 0
    assert count(lambda x: [torch.relu(x), torch.relu(x), torch.relu(x)]).held == 3 * 60 * 4


def test_in_place_counts():
    assert count(lambda x: x.add_(1).mul_(2)).by_name == {'add_': 1, 'mul_': 1}


def test_a_textbook_network_counts_alike_on_meta_and_cpu():
    """By the book a CPU does what a device does; experts see every pixel."""
    found = []
    for device in ('meta', 'cpu'):
        with torch.device(device):
            network = textbook(MODELS.build(small_config()['model']['network']), 'operator')
        found.append(count_launches(network, torch.zeros(1, 3, 16, 16, device=device)))
    assert found[0].by_name == found[1].by_name
    assert found[0].by_name['gelu'] > 4
