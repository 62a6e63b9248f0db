"""A network that is told what is known of a picture gives the network's own answers."""

from dataclasses import dataclass

import pytest
import torch

import irbox
from irbox.config.load_config import load_config
from irbox.graphs.given_context import GivenContext, context_inputs
from irbox.graphs.trace import trace_given_context
from irbox.networks.restoration_network import RestorationNetwork
from irbox.structures import Context
from support.paths import ROOT
from support.tiny_model import routed_model


@torch.no_grad()
def test_what_is_known_of_a_picture_serves_its_tiles():
    network = routed_model().network
    whole = torch.rand(1, 3, 41, 30)
    context = network.describe(whole)
    tile = whole[..., :19, 5:]
    given = context_inputs(context)
    assert set(given) >= {'features', 'probabilities', 'content'}
    answer = GivenContext(network)(tile, **given)
    torch.testing.assert_close(answer, network(tile, context), atol=1e-6, rtol=0)
    # What is known of the tile alone is something else.
    assert (answer - network(tile)).abs().max() > 1e-4


@torch.no_grad()
def test_prompts_are_given_too():
    config = load_config(
        ROOT / 'configs/_base_/models/m2restore_demo.yaml', sections=['model']
    ).to_dict()
    shape = config['model']['network']
    shape.update(dim=8, depths=[1] * len(shape['depths']), refinement=1)
    torch.manual_seed(0)
    network = irbox.build_network(config)
    image = torch.rand(1, 3, 24, 40)
    context = network.describe(image)
    given = context_inputs(context)
    assert given['prompt'] is context.prompt is not None
    torch.testing.assert_close(
        GivenContext(network)(image, **given), network(image, context), atol=1e-6, rtol=0
    )


def test_a_network_that_computes_in_a_way_of_its_own_is_refused():
    class Own(RestorationNetwork):
        def forward(self, image, context=None):
            return image

    class Padding(RestorationNetwork):
        def pad(self, image):
            return image

    for kind, method in ((Own, 'forward'), (Padding, 'pad')):
        words = f'cannot be exported .*{kind.__name__} has a {method}'
        with pytest.raises(ValueError, match=words):
            trace_given_context(kind())


def test_a_context_that_knows_more_is_refused():
    @dataclass
    class More(Context):
        depth: int = 5

    with pytest.raises(ValueError, match='is a More'):
        context_inputs(More(torch.zeros(1, 3, 8, 8)))
