"""What stands where a network stood: its engines by precision, and its errors."""

import pytest
import torch

from irbox.restore.devices import computing_in
from irbox.restore.memory import is_out_of_memory
from irbox.restore.runtimes.runtime_network import RuntimeNetwork
from support.fake_runtime import GRAPH
from support.tiny_model import tiny_model

IMAGE = torch.rand(1, 3, 9, 14)


def network_in(engine):
    opened = []

    def open_in(dtype):
        opened.append(dtype)
        return engine

    return RuntimeNetwork(tiny_model().network.requires_grad_(False), GRAPH, open_in), opened


def test_an_engine_is_opened_for_each_precision_when_it_is_asked_for():
    network, opened = network_in(lambda inputs: inputs['input'])
    assert not opened
    for dtype in (torch.bfloat16, torch.float32, torch.bfloat16):
        with computing_in(torch.device('cpu'), dtype):
            assert torch.equal(network(IMAGE), IMAGE)
    assert opened == [torch.bfloat16, torch.float32]


def test_an_engine_gets_what_is_known_of_the_picture():
    given = {}
    network, _ = network_in(lambda inputs: given.update(inputs) or inputs['input'])
    context = network.describe(torch.rand(1, 3, 40, 40))
    network(IMAGE, context)
    assert torch.equal(torch.from_numpy(given['features']), context.prior.features)
    assert not list(network.parameters()) and not list(network.children())


@pytest.mark.parametrize(
    ('said', 'memory'), [('Failed to allocate memory for a buffer', True), ('no such shape', False)]
)
def test_that_memory_did_not_suffice_is_told_in_words_that_tiles_understand(said, memory):
    def fail(inputs):
        raise RuntimeError(said)

    network, _ = network_in(fail)
    with pytest.raises(Exception, match=said) as raised:
        network(IMAGE)
    assert is_out_of_memory(raised.value) == memory
