import pytest
import torch

from irbox.analysis.count_macs import count_macs
from irbox.analysis.network_table import count_parameters, describe
from irbox.networks import RestorationUNet

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
