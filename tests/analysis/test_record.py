"""What parts record, found with the place of the part; a plug-in's parts like ours."""

import weakref
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from irbox.analysis import features, frequency, gates, routing
from irbox.analysis.output import Output
from irbox.analysis.record import run
from irbox.analysis.samples import Sample
from irbox.config.load_config import load_config
from irbox.engine.network import build_network
from irbox.networks.restoration_network import RestorationNetwork
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Bands, Context, Features, Gate, Routing
from support.paths import ROOT


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


@pytest.mark.parametrize(
    ('system', 'gates', 'bands'), [('m2ir', {'attention'}, 0), ('m2restore', {'cnn'}, 1)]
)
def test_what_each_system_records(system, gates, bands):
    """Gates in both, M2IR's in every MST block and M2Restore's in the bottleneck; bands in one."""
    small = {'depths': [1, 1], 'heads': [1, 2], 'dim': 8, 'refinement': 1}
    changes = {f'model.network.{key}': value for key, value in small.items()}
    path = ROOT / f'configs/_base_/models/{system}_demo.yaml'
    one = build_network(load_config(path, changes, sections=['model'])).eval()
    found = run(one, torch.rand(1, 3, 64, 64))
    assert {gate.what.weighs for gate in found.of(Gate)} == gates
    blocks = [type(part).__name__ for part in one.modules()]
    assert len(found.of(Gate)) == blocks.count('MSTBlock') + blocks.count('MambaCNNBlock') > 0
    assert all(
        0 < float(g.what.values.min()) <= float(g.what.values.max()) < 1 for g in found.of(Gate)
    )
    assert len(found.of(Bands)) == bands
    assert found.of(Routing) and found.of(Features)


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


class Operators(TorchDispatchMode):
    """Notes every operator that runs."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


def test_recording_costs_nothing_where_nobody_asks(monkeypatch):
    """The operators are those of parts that report nothing, and no gate outlives its block."""
    one, image = network(), torch.rand(1, 3, 16, 16)
    kept = []

    def note(self, what):
        if isinstance(what, Gate):
            kept.append(weakref.ref(what.values))

    with torch.no_grad(), Operators() as asked:
        one(image, one.describe(image))
    with monkeypatch.context() as patch, torch.no_grad(), Operators() as silent:
        patch.setattr(Context, 'record', note)
        one(image, one.describe(image))
    assert asked.names == silent.names
    assert not kept, 'no gate is shown'
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(Context, 'record', note)
        patch.setattr(Context, 'keeps_gates', True)
        one(image, one.describe(image))
    assert len(kept) == 2
    assert all(values() is None for values in kept)


@BLOCKS.register_module()
class OutsideBlock(nn.Module):
    """All that our parts record, by a part that the package does not know."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, x, context):
        strength = (self.weight * x.mean(1, keepdim=True)).sigmoid()
        context.record(Gate(strength, weighs='outside'))
        weights = torch.cat([strength, 1 - strength], 1)
        context.record(Routing(weights, weights.sum((0, 2, 3))))
        low = x.mean((2, 3), keepdim=True).expand_as(x)
        context.record(Bands(low, x - low))
        return x * strength


class OutsideNetwork(RestorationNetwork):
    def __init__(self):
        super().__init__()
        self.only = OutsideBlock()

    def restore(self, padded, context):
        context.record(Features(padded, 'first'))
        return self.only(padded, context)


BLOCKS.module_dict.pop('OutsideBlock')


@pytest.mark.slow
def test_a_network_from_outside_goes_through_every_analysis(tmp_path, monkeypatch):
    pytest.importorskip('matplotlib')
    pytest.importorskip('sklearn')
    monkeypatch.setitem(BLOCKS.module_dict, 'OutsideBlock', OutsideBlock)
    one = OutsideNetwork().eval()
    generator = torch.Generator().manual_seed(0)
    samples = [
        Sample(f'{label}{n}', label, level * clean, clean)
        for label, level in (('dark', 0.3), ('bright', 0.9))
        for n in range(2)
        for clean in [torch.rand(3, 16, 16, generator=generator)]
    ]

    def output(name):
        return Output(tmp_path / name, name, {})

    found = gates.analyze(one, samples, output('gates'))
    assert {line['place'] for line in found} == {'only'}
    rows = routing.analyze(one, samples, output('routing'), seeds=[])['usage']
    assert rows[0]['expert 1'] == rows[0]['expert 2'] == 1
    (row, *_) = frequency.analyze(one, samples, output('frequency'), sides=[16])
    wanted = [float(s.degraded.mean((1, 2)).square().mean()) for s in samples]
    assert row['place'] == 'only'
    assert row['low'] == pytest.approx(sum(wanted) / 4, rel=0.05)  # scaled to 16 pixels: the same
    (line,) = features.analyze({'outside': one}, samples, output('features'), seeds=[])
    assert line['place'] == 'first'
    assert line['channels'] == 3


def test_one_call_records_all_kinds():
    context = Context(torch.zeros(1, 3, 2, 2), records=[])
    gate = Gate(torch.ones(1, 1, 2, 2), weighs='cnn')
    routing = Routing(torch.ones(1, 1, 1, 1), torch.ones(1))
    for what in (gate, routing, 'anything'):
        context.record(what)
    assert context.records == [gate, routing, 'anything']
    assert context.routings == [routing]
