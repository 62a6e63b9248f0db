"""What parts record, found with the place of the part; a plug-in's parts like ours."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from irbox.analysis.record import run
from irbox.networks.restoration_network import RestorationNetwork
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Bands, Context, Features, Gate, Routing


def network(**places):
    block = {'type': 'TransformerBlock'}
    settings = {
        'type': 'RestorationUNet',
        'dim': 8,
        'depths': [2, 1],
        'heads': [1, 1],
        'refinement': 0,
        'encoder': {'block': {'type': 'MSTBlock'}},
        'bottleneck': {'block': block},
        'decoder': {'block': block},
    }
    torch.manual_seed(0)
    return MODELS.build(settings | places).eval()


DDER = {
    'type': 'DDER',
    'num_experts': 3,
    'router': {'type': 'PixelRouter'},
    'expert': {'type': 'MLPExpert'},
}
ADEC = {
    'type': 'ADEC',
    'router': {'type': 'PixelRouter'},
    'expert': {'type': 'MLPExpert'},
    'fuse': {'type': 'MSTBlock'},
}


def test_records_carry_the_place_of_their_part():
    found = run(
        network(
            encoder={'block': {'type': 'MSTBlock'}, 'before_level': DDER},
            decoder={'block': {'type': 'TransformerBlock'}, 'before_upsample': ADEC},
        ),
        torch.rand(1, 3, 16, 16),
    )
    kinds = [(one.place, type(one.what)) for one in found.records]
    assert kinds == [
        ('encoder 1: before_level', Routing),
        ('encoder 1: block, 0', Gate),
        ('encoder 1: block, 1', Gate),
        ('encoder 1', Features),
        ('bottleneck', Features),
        ('decoder 2: before_upsample', Routing),
        ('decoder 2: before_upsample, fuse', Gate),
    ]
    assert [one.what for one in found.of(Routing)] == found.context.routings


def test_bands_are_recorded():
    block = {'type': 'TransformerBlock'}
    decoder = {
        'block': block,
        'before_upsample': {'type': 'AdaptiveFrequencyBlock', 'heads': 1, 'mask': 'soft'},
    }
    (one,) = run(network(decoder=decoder), torch.rand(1, 3, 16, 16)).of(Bands)
    assert one.place == 'decoder 2: before_upsample'
    assert one.what.low.shape == one.what.high.shape == (1, 16, 8, 8)


def test_recording_changes_nothing_and_leaves_nothing():
    one, image = network(), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        wanted = one(image)
    assert torch.equal(run(one, image).restored, wanted)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in one.modules())


def test_nobody_asked():
    one, image = network(), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        context = one.describe(image)
        one(image, context)
    assert context.records is None
    assert context.gates is None
    assert context.routings == []


@dataclass(frozen=True)
class Mean:
    values: torch.Tensor


@pytest.fixture
def foreign():
    """A block and a network from outside the package, with a record of their own."""

    @BLOCKS.register_module()
    class ForeignBlock(nn.Module):
        def __init__(self, stage):
            super().__init__()

        def forward(self, x, context):
            context.record(Mean(x.mean()))
            context.record(Gate(x.sigmoid(), weighs='mine'))
            return x

    class Foreign(RestorationNetwork):
        def __init__(self):
            super().__init__()
            self.block = ForeignBlock(None)
            self.weight = nn.Parameter(torch.ones(1))

        def restore(self, padded, context):
            padded = self.block(padded, context)
            context.record(Features(padded, 'the only level'))
            return padded

    yield Foreign()
    BLOCKS.module_dict.pop('ForeignBlock')


def test_parts_from_outside_are_recorded_as_ours_are(foreign):
    found = run(foreign, torch.rand(1, 3, 8, 8))
    assert [(one.place, type(one.what).__name__) for one in found.records] == [
        ('block', 'Mean'),
        ('block', 'Gate'),
        ('the only level', 'Features'),
    ]


def test_one_call_records_all_kinds():
    context = Context(torch.zeros(1, 3, 2, 2), records=[])
    gate = Gate(torch.ones(1, 1, 2, 2), weighs='cnn')
    routing = Routing(torch.ones(1, 1, 1, 1), torch.ones(1))
    for what in (gate, routing, 'anything'):
        context.record(what)
    assert context.records == [gate, routing, 'anything']
    assert context.routings == [routing]
