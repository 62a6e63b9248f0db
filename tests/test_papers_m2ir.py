"""M2IR as a whole: the counts that its paper prints, what its parts promise, and its hooks."""

import copy
import dataclasses
import importlib.util
import re
import sys

import pytest
import torch

import irbox
from irbox.analysis.count_macs import count_macs, sparse_share
from irbox.blocks import ADEC, MSTBlock
from irbox.config.load_config import load_config
from irbox.registry import MODELS
from support.paths import ROOT


@pytest.fixture(scope='module', autouse=True)
def root(request):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.chdir(request.config.rootpath)
    yield request.config.rootpath
    monkeypatch.undo()


def network_of(name, changes=None):
    """A composition with a prior of DA-CLIP's sizes, five words, in DA-CLIP's place."""
    config = load_config(f'configs/_base_/models/{name}.yaml', changes, sections=()).to_dict()
    config['model']['network']['prior'] = {'type': 'FrozenRandomPrior', 'num_degradations': 5}
    return config


def on_meta(name, changes=None):
    with torch.device('meta'):
        return irbox.build_network(network_of(name, changes))


def millions(*modules):
    trainable = (p.numel() for m in modules for p in m.parameters() if p.requires_grad)
    return round(sum(trainable) / 1e6, 3)


@pytest.fixture(scope='module')
def m2ir():
    return on_meta('m2ir')


@pytest.fixture(scope='module')
def macs(m2ir):
    return count_macs(m2ir, 480, 720)


def test_parameters(m2ir):
    assert sum(p.numel() for p in m2ir.parameters() if p.requires_grad) == 39_093_218


def test_parameters_part_by_part(m2ir):
    blocks = [chain[0] for chain in m2ir.before_upsamples]
    assert millions(m2ir.embed, m2ir.output) == 0.004
    assert [millions(level) for level in m2ir.encoders] == [0.155, 0.587, 3.417]
    assert millions(m2ir.bottleneck) == 17.949
    assert millions(m2ir.downs, m2ir.ups) == 3.701
    assert millions(m2ir.reduces) == 0.092
    assert [millions(level) for level in m2ir.decoders] == [3.417, 0.587, 0.587]
    assert millions(m2ir.refinement) == 0.587
    assert millions(*(b.fuse for b in blocks)) == 2.960
    assert millions(*(m for b in blocks for m in (b.attend, b.dwconv))) == 0.798
    assert millions(*(b.mixture for b in blocks)) == 2.911
    routers = [block.router for block in blocks]
    assert millions(*(m for r in routers for m in (r.embed, r.attend, r.project))) == 1.333
    assert millions(*(m for r in routers for m in (r.score, r.norm))) == 0.007


def test_cost(m2ir, macs):
    assert macs.total() / 1e9 == pytest.approx(958.6, rel=1e-4)
    assert sparse_share(m2ir, macs).total() / 1e9 == pytest.approx(944.2, rel=1e-4)


def test_cost_part_by_part(macs):
    """Biases included, activations not, which the specification lists apart as 1.4 G."""

    def giga(*prefixes):
        return sum(macs[key] for key in macs if f'{key}.'.startswith(prefixes)) / 1e9

    table = {
        ('encoders.0.',): 53.4,
        ('encoders.2.',): 73.7,
        ('bottleneck.',): 96.9,
        ('decoders.2.',): 202.4,
        ('refinement.',): 202.4,
        ('downs.', 'ups.'): 53.8,
        ('reduces.',): 3.2,
        tuple(f'before_upsamples.{n}.0.mixture.' for n in range(3)): 35.8,
        tuple(f'before_upsamples.{n}.0.router.' for n in range(3)): 12.4,
        tuple(f'before_upsamples.{n}.0.fuse.' for n in range(3)): 37.0,
    }
    for prefixes, wanted in table.items():
        # The largest share of activations is that of the experts.
        assert giga(*prefixes) == pytest.approx(wanted, rel=5e-3), prefixes


def test_the_other_sizing():
    network = on_meta('m2ir_4668')
    macs = count_macs(network, 480, 720)
    assert sum(p.numel() for p in network.parameters()) == 38_834_098
    assert macs.total() / 1e9 == pytest.approx(961, rel=0.01)
    # As the file says.
    assert macs.total() / 1e9 == pytest.approx(967.1, abs=0.05)
    assert sparse_share(network, macs).total() / 1e9 == pytest.approx(947.9, abs=0.05)


def test_readings_that_the_cost_cannot_tell_apart(macs):
    expert = 'model.network.decoder.before_upsample.'
    gated = {
        f'{expert}{place}.{key}': value
        for place in ('expert', 'shared_expert')
        for key, value in (('type', 'GatedExpert'), ('ratio', 1.0))
    }
    for changes in ({f'{expert}residual': 'none'}, {f'{expert}residual': 'gated'}, gated):
        other = count_macs(on_meta('m2ir', changes), 480, 720).total()
        assert other == pytest.approx(macs.total(), rel=1e-4)


def test_describe_prints_them(root, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location('describe_tool', root / 'tools/describe.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', ['describe.py', 'configs/m2ir_5d.py', '--size', '720x480'])
    tool.main()
    out = capsys.readouterr().out
    assert 'Parameters: 39,093,218 trainable, 87,849,216 frozen' in out
    assert '958.6 G with every expert on every pixel, 944.2 G with the selected ones' in out
    assert 'Cost, exact' in out and 'Neither holds the prior' in out
    assert 'DACLIPPrior' in out and 'ContextualPriorRouter' in out


# A small one, run for real.


@pytest.fixture(scope='module')
def model():
    config = network_of('m2ir')['model']
    config['network'] |= {'dim': 8, 'depths': [1, 1, 1, 2], 'refinement': 1}
    torch.manual_seed(0)
    return MODELS.build(config)


def test_any_size_is_kept(model):
    network = model.network.eval()
    with torch.no_grad():
        for height, width in ((24, 32), (19, 27), (1, 1), (7, 40)):
            assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


def test_gates_and_routings_are_read_from_the_context(model):
    network, image = model.network.eval(), torch.rand(1, 3, 24, 32)
    hooked, handles = {}, []
    for name, module in network.named_modules():
        if isinstance(module, MSTBlock):
            handles.append(
                module.attn.gate.register_forward_hook(
                    lambda module, given, out, name=name: hooked.update({name: out})
                )
            )
    with torch.no_grad():
        context = dataclasses.replace(network.describe(image), gates=[])
        answer = network(image, context)
        for handle in handles:
            handle.remove()
        # Watched modules are called one by one, others may run in strips of rows.
        torch.testing.assert_close(answer, network(image))
    # 5 in encoder and bottleneck, 4 in decoder and refinement, 3 that fuse.
    assert len(context.gates) == 5 + 4 + 3 and len(context.routings) == 3
    assert all(
        gate.values is seen for gate, seen in zip(context.gates, hooked.values(), strict=True)
    )
    for gate in context.gates:
        assert gate.weighs == 'attention' and gate.values.min() > 0 and gate.values.max() < 1
    for routing, size in zip(context.routings, ((3, 4), (6, 8), (12, 16)), strict=True):
        assert routing.weights.shape == (1, 4, *size)
        assert ((routing.weights > 0).sum(1) == 2).all() and (routing.shared > 0.32).all()


def test_the_guide_reads_the_gate_map_of_every_block(monkeypatch):
    """The example of docs/m2ir.md, to the letter: names and maps belong together."""
    text = (ROOT / 'docs/m2ir.md').read_text()
    (example,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    monkeypatch.chdir(ROOT)
    found = {}
    exec(example, found)
    maps, network, image = found['maps'], found['network'], found['image']
    first = 'encoder 1: block, 0'
    assert next(iter(maps)) == first and any('before_upsample, 0.fuse' in name for name in maps)
    for name, gate in maps.items():
        place, _, path = name.partition(', ')
        block = network.places()[place].get_submodule(path)
        kept = []
        handle = block.attn.gate.register_forward_hook(lambda *out, kept=kept: kept.append(out[2]))
        with torch.no_grad():
            network(image)
        handle.remove()
        # A layer that is watched runs by torch's operators, others by kernels of ours.
        torch.testing.assert_close(kept[0], gate, msg=lambda text, name=name: f'{name}: {text}')


def test_sparse_equals_dense(model):
    network, image = model.network.eval(), torch.rand(2, 3, 24, 32)
    dense = copy.deepcopy(network)
    for module in dense.modules():
        if isinstance(module, ADEC):
            module.mixture.pointwise = False
    with torch.no_grad():
        torch.testing.assert_close(network(image), dense(image), atol=1e-5, rtol=1e-5)


def test_every_trainable_weight_gets_a_gradient_from_the_papers_losses(model):
    model = copy.deepcopy(model).train()
    for name, weight in model.named_parameters():
        if name.endswith('router.score.weight'):
            torch.nn.init.normal_(weight)  # fresh routers favour two experts everywhere
    image, target = torch.rand(2, 3, 40, 48), torch.rand(2, 3, 40, 48)
    losses = model(image, target, mode='loss')
    assert set(losses) == {'loss_pixel', 'loss_balance', 'loss_frequency'}
    sum(losses.values()).backward()
    for name, weight in model.named_parameters():
        assert weight.requires_grad and weight.grad is not None, name
        assert weight.grad.isfinite().all() and weight.grad.any(), name


def test_the_papers_weights_of_the_losses(model):
    weights = {name: loss.weight for name, loss in model.losses.items()}
    assert weights == {'pixel': 1.0, 'balance': 0.01, 'frequency': 0.1}
