import pytest
import torch
from torch import nn

from irbox.analysis.count_macs import count_macs
from irbox.analysis.network_table import (
    count_parameters,
    describe,
    places_of,
    without_prior,
)
from irbox.networks import RestorationNetwork, RestorationUNet
from irbox.registry import BLOCKS, EXPERTS
from irbox.structures import Stage

BLOCK = {'type': 'TransformerBlock'}


@pytest.fixture(scope='module')
def network():
    experts = {
        'type': 'DDER',
        'num_experts': 3,
        'router': {'type': 'NoisyTopKRouter'},
        'expert': {'type': 'MLPExpert'},
    }
    with torch.device('meta'):
        return RestorationUNet(
            encoder={'before_level': experts, 'block': BLOCK},
            bottleneck={'block': BLOCK},
            decoder={'before_upsample': {'type': 'AdaptiveFrequencyBlock'}, 'block': BLOCK},
            prior={'type': 'MLPPrior', 'num_degradations': 3, 'feature_dim': 16, 'width': 4},
            dim=8,
            depths=(2, 1, 3),
            heads=(1, 2, 4),
            refinement=2,
        ).eval()


@pytest.fixture(scope='module')
def rows(network):
    return describe(network, count_macs(network, 16, 24))


def test_names_every_place_part_and_file(rows):
    found = [(row.place, row.part, row.file) for row in rows]
    transformer = 'irbox/blocks/transformer_block.py'
    for wanted in (
        ('prior', 'MLPPrior', 'irbox/priors/mlp_prior.py'),
        ('encoder 1: before_level', 'DDER', 'irbox/blocks/dder.py'),
        ('encoder 2: before_level', 'DDER', 'irbox/blocks/dder.py'),
        ('  router', 'NoisyTopKRouter', 'irbox/routers/noisy_top_k_router.py'),
        ('  mixture.experts', 'MLPExpert x3', 'irbox/experts/mlp_expert.py'),
        ('encoder 1: block', 'TransformerBlock x2', transformer),
        ('encoder 2: block', 'TransformerBlock', transformer),
        ('bottleneck: block', 'TransformerBlock x3', transformer),
        (
            'decoder 3: before_upsample',
            'AdaptiveFrequencyBlock',
            'irbox/blocks/adaptive_frequency_block.py',
        ),
        (
            'decoder 2: before_upsample',
            'AdaptiveFrequencyBlock',
            'irbox/blocks/adaptive_frequency_block.py',
        ),
        ('decoder 2: block', 'TransformerBlock', transformer),
        ('decoder 1: block', 'TransformerBlock x2', transformer),
        ('refinement: decoder block', 'TransformerBlock x2', transformer),
    ):
        assert wanted in found


def test_rows_add_up_to_the_whole(network, rows):
    top = [row for row in rows if not row.place.startswith(' ')]
    assert sum(row.parameters for row in top) == sum(p.numel() for p in network.parameters())
    assert sum(row.macs for row in top) == count_macs(network, 16, 24).total()


def test_nested_parts_are_within_the_part_that_holds_them(rows):
    for index, row in enumerate(rows):
        if row.part == 'DDER':
            router, experts = rows[index + 1 : index + 3]
            assert row.parameters == router.parameters + experts.parameters
            assert row.macs == router.macs + experts.macs


def test_trainable_and_frozen(network):
    trainable, frozen = count_parameters(network)
    cut_offs = [p for n, p in network.named_parameters() if 'rate_conv' in n]
    assert frozen == sum(p.numel() for p in cut_offs) > 0
    assert trainable + frozen == sum(p.numel() for p in network.parameters())


def parts(network):
    """A prior-like layer, blocks, and a layer that is no part, as attributes of a network."""
    network.guess = nn.Linear(3, 3)
    network.body = nn.ModuleList(BLOCKS.build(BLOCK, stage=Stage(8, 1)) for _ in range(2))
    network.sides = nn.ModuleDict({'left': EXPERTS.build({'type': 'MLPExpert'}, dim=8)})
    network.last = nn.Conv2d(8, 3, 1)
    return network


class Foreign(nn.Module):
    """Declares nothing at all."""

    def __init__(self):
        super().__init__()
        parts(self)

    def forward(self, image):
        x = self.sides['left'](image.mean(1, keepdim=True).expand(-1, 8, -1, -1))
        for block in self.body:
            x = block(x, None)
        return self.last(x) + self.guess(image.mean((2, 3)))[..., None, None]


class Declared(RestorationNetwork):
    """Says what its places are called, and which of them is the prior."""

    def __init__(self):
        super().__init__()
        parts(self)

    restore = lambda self, padded, context: Foreign.forward(self, padded)  # noqa: E731

    def places(self):
        return {'prior': self.guess, 'middle: block': self.body}


def test_a_foreign_network_is_listed_by_its_attributes():
    network = Foreign()
    counts = count_macs(network, 4, 4)
    rows = describe(network, counts)
    assert [(row.place, row.part) for row in rows] == [
        ('body', 'TransformerBlock x2'),
        ('sides', 'MLPExpert'),
        ('rest: stem, resampling, output', ''),
    ]
    assert sum(row.parameters for row in rows) == sum(count_parameters(network))
    assert sum(row.macs for row in rows) == counts.total()
    assert without_prior(network, counts) == counts.total()


def test_a_network_is_known_by_what_it_declares():
    network = Declared()
    counts = count_macs(network, 4, 4)
    assert list(places_of(network)) == ['prior', 'middle: block']
    rows = describe(network, counts)
    assert [row.place for row in rows] == ['middle: block', 'rest: stem, resampling, output']
    assert sum(row.parameters for row in rows) == sum(count_parameters(network))
    assert without_prior(network, counts) == counts.total() - 9
