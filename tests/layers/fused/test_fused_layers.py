"""Layers by fused operators equal the layers, and take that path only where they may.

The operators compute by their twins here, on a CPU. That the kernels equal the twins:
test_fused_kernels.py; on a device: test_fused_gpu.py.
"""

import subprocess
import sys

import pytest
import torch
from torch import nn

from irbox.benchmark.launches import CountLaunches
from irbox.blocks.adec import ADEC
from irbox.blocks.dder import DDER
from irbox.blocks.mamba_cnn_block import MambaCNNBlock
from irbox.layers.attention import TransposedAttention
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.fused import experts, layers, switch
from irbox.layers.fused.switch import can_run_fused, fused_on
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.norm import LayerNorm2d
from irbox.registry import BLOCKS, ROUTERS
from irbox.structures import Context, DegradationPrior, Routing, Stage

OPERATORS = {
    'project', 'depthwise', 'gram', 'attention_matrix', 'route', 'expert_order', 'ask_experts',
    'mix_experts', 'causal', 'scan_rows', 'blend', 'gated_product',
}  # fmt: skip
STAGE = Stage(dim=24, heads=2, prior_dim=10, num_degradations=5, prompt_dim=7)
EXPERT = {'type': 'MLPExpert', 'ratio': 2.66}


def stirred(module):
    """With weights none of which is at a place where it has no effect."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return module.eval()


def context(batch, size):
    prior = DegradationPrior(
        torch.randn(batch, 10), torch.rand(batch, 5).softmax(1), torch.randn(batch, 10)
    )
    return Context(torch.rand(batch, 3, *size), prior=prior, prompt=torch.randn(batch, 7))


def both(run):
    """What is computed as ever, what by operators, and how often each was called."""
    with torch.no_grad():
        plain = run()
        with fused_on('cpu'), CountLaunches() as counting:
            fused = run()
    return plain, fused, {n: c for n, c in counting.found.by_name.items() if n in OPERATORS}


def assert_near(fused, plain, tolerance):
    assert fused.shape == plain.shape
    assert fused.dtype == plain.dtype
    assert (fused.float() - plain.float()).abs().max() <= tolerance * plain.float().std() + 1e-7


@pytest.mark.parametrize('ratio', [2, 2.66])
def test_large_products_are_given_weights_in_bfloat16(ratio, monkeypatch):
    """Once each, to the same bits: what a kernel is given in float32 it rounds as well."""
    ffn, norm = stirred(GatedFeedForward(48, ratio)), stirred(LayerNorm2d(48))
    x = torch.randn(2, 48, 9, 7).to(torch.bfloat16, memory_format=torch.channels_last)
    found, counts = [], []
    for least in (layers.HALVED_FROM, 0):
        monkeypatch.setattr(layers, 'HALVED_FROM', least)
        half = torch.autocast('cpu', torch.bfloat16)
        with torch.no_grad(), half, fused_on('cpu'), CountLaunches() as counting:
            found.append(ffn.add_to(x, norm))
        counts.append(counting.found.by_name['halve'])
    assert torch.equal(*found)
    assert counts == [0, 2]


LAYERS = {
    'feed forward': (lambda: GatedFeedForward(48), 48, 3),
    'feed forward, bias': (lambda: GatedFeedForward(24, 1.5, bias=True), 24, 3),
    'attention': (lambda: TransposedAttention(48, 1), 48, 5),
    'attention, heads': (lambda: TransposedAttention(24, 4, bias=True), 24, 5),
    'attention, wide head': (lambda: TransposedAttention(96, 1), 96, 5),
    'attention, no projection': (lambda: TransposedAttention(24, 2, projection=False), 24, 5),
    'gated attention': (lambda: MambaStyleAttention(24, 2), 24, 8),
    'gated attention, separable': (lambda: MambaStyleAttention(24, 2, separable=True), 24, 9),
}


@pytest.mark.parametrize('size', [(17, 23), (1, 1)])
@pytest.mark.parametrize('name', LAYERS)
def test_a_layer_and_its_residual(name, size):
    build, dim, launches = LAYERS[name]
    layer, norm = stirred(build()), stirred(LayerNorm2d(dim, bias='bias' not in name))
    x = (torch.randn(2, dim, *size) + 1).contiguous(memory_format=torch.channels_last)
    plain, fused, calls = both(lambda: layer.add_to(x, norm))
    assert_near(fused, plain, 1e-5)
    assert sum(calls.values()) == launches
    # Without norm and residual, of a map in another order of memory, in bfloat16.
    plain, fused, calls = both(lambda: layer(x.contiguous()))
    assert_near(fused, plain, 1e-5)
    with torch.autocast('cpu', torch.bfloat16):
        half, fused, calls = both(lambda: layer.add_to(x, norm))
    assert ('gated_product' in calls) == name.startswith('gated')
    assert sum(calls.values()) == launches - ('gated_product' in calls)
    exact, _, _ = both(lambda: layer.add_to(x, norm))
    error = (fused.float() - exact).norm() / (exact - x).norm().clamp_min(1e-3)
    # As near to float32 as the layer in bfloat16 is, of which a product has 8 bits.
    assert error <= max(0.03, 2 * (half.float() - exact).norm() / (exact - x).norm())


@pytest.mark.parametrize('half', [False, True])
def test_mamba_is_multiplied_in_tf32_where_all_around_is_bfloat16(half, monkeypatch):
    block, x = MambaCNNBlock(STAGE).eval(), torch.randn(2, 24, 9, 11)
    found, project = [], layers.operators.project
    monkeypatch.setattr(layers.operators, 'project', lambda *a: found.append(a[-2:]) or project(*a))
    with torch.no_grad(), fused_on('cpu'), torch.autocast('cpu', torch.bfloat16, enabled=half):
        block(x, context(2, (9, 11)))
    assert found.count((False, True)) == (4 if half else 0)
    assert {halves for halves, allow_tf32 in found if not allow_tf32} == {half}


@pytest.mark.parametrize('query_norm', ['channel', 'head'])
def test_cross_attention(query_norm):
    layer = stirred(TransposedCrossAttention(24, 2, bias=True, query_norm=query_norm))
    query, source, x = (torch.randn(2, 24, 17, 23) for _ in range(3))
    plain, fused, calls = both(lambda: layer(query, source))
    assert_near(fused, plain, 1e-5)
    assert sum(calls.values()) == 7
    scales = torch.randn(24, 1, 1), torch.randn(24, 1, 1)
    for more in ((), (scales,)):
        plain, fused, calls = both(lambda more=more: layer.add_to(x, query, source, *more))
        assert_near(fused, plain, 1e-5)
        assert sum(calls.values()) == 7


ROUTED = {
    'noisy': {'type': 'NoisyTopKRouter'},
    'noisy, official': {
        'type': 'NoisyTopKRouter', 'alpha': 'scalar', 'bias_in_prior': True, 'load': 'official',
    },
    'contextual': {'type': 'ContextualPriorRouter'},
    'contextual, single': {'type': 'ContextualPriorRouter', 'score_mode': 'single'},
    'contextual, not shared': {'type': 'ContextualPriorRouter', 'shared_score': False},
}  # fmt: skip


@pytest.mark.parametrize('name', ROUTED)
def test_routers(name):
    router = stirred(ROUTERS.build(ROUTED[name], stage=STAGE, num_experts=5, top_k=2))
    x, known = torch.randn(2, 24, 17, 23), context(2, (17, 23))
    plain, fused, calls = both(lambda: router(x, known))
    assert calls['route'] == 1
    for part in ('weights', 'load', 'scores', 'shared'):
        mine, expected = getattr(fused, part), getattr(plain, part)
        assert (mine is None) == (expected is None)
        if expected is not None:
            torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-5)
    assert fused.top_k == 2


def test_tiles_that_share_a_prior_are_each_given_its_bias(monkeypatch):
    """The kernel reads a row for each image."""
    router = stirred(
        ROUTERS.build({'type': 'NoisyTopKRouter'}, stage=STAGE, num_experts=5, top_k=2)
    )
    x, known = torch.randn(4, 24, 9, 7), context(1, (9, 7))
    honest, given = experts.operators.route, []
    monkeypatch.setattr(
        experts.operators, 'route', lambda *args: given.append(args[1]) or honest(*args)
    )
    plain, fused, _ = both(lambda: router(x, known))
    assert given[0].shape == (4, 5) and given[0].is_contiguous()
    torch.testing.assert_close(fused.weights, plain.weights, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('combine', ['sum', 'logexp'])
@pytest.mark.parametrize('shared', [False, True])
def test_routed_experts(combine, shared):
    from irbox.experts.mlp_expert import MLPExpert

    mixture = MixtureOfExperts(
        [MLPExpert(24, 1.5) for _ in range(4)], combine, MLPExpert(24) if shared else None
    )
    # More pixels than are put in order together; one expert that nobody asks.
    scores = torch.randn(2, 4, 33, 32)
    scores[:, 2] = -9
    kept, index = scores.topk(2, dim=1)
    weights = torch.zeros_like(scores).scatter(1, index, kept.softmax(1))
    routing = Routing(weights, weights.sum((0, 2, 3)), shared=torch.rand(2, 1, 33, 32), top_k=2)
    x = torch.randn(2, 24, 33, 32)
    plain, fused, calls = both(lambda: mixture(x, routing))
    assert_near(fused, plain, 1e-5)
    assert calls['ask_experts'] == 2
    plain, fused, _ = both(lambda: mixture.add_to(x, routing))
    assert_near(fused, plain, 1e-5)
    # Who does not say how many experts a pixel asks is served as ever.
    unknown = Routing(weights, routing.load, shared=routing.shared)
    assert not both(lambda: mixture(x, unknown))[2].get('ask_experts')


BLOCKS_WITH_ROUTES = {
    'DDER': (lambda: DDER(STAGE, ROUTED['noisy'], EXPERT, combine='logexp'), 'mix_experts'),
    'ADEC': (
        lambda: ADEC(STAGE, ROUTED['contextual'], EXPERT, {'type': 'MSTBlock'}, EXPERT),
        'mix_experts',
    ),
    'ADEC, gated': (
        lambda: ADEC(
            STAGE, ROUTED['contextual'], EXPERT, {'type': 'MSTBlock'}, residual='gated'
        ),
        'mix_experts',
    ),
    'frequency': (lambda: BLOCKS.build({'type': 'AdaptiveFrequencyBlock'}, stage=STAGE), 'gram'),
    'mamba': (lambda: MambaCNNBlock(STAGE), 'scan_rows'),
    'mamba, official': (
        lambda: MambaCNNBlock(
            STAGE, gate_on='mamba', gate_layers=2, gate_channels=1, projection_layers=2,
            prior_feature='content', conv_norm=False,
        ),
        'scan_rows',
    ),
    'mamba, mean': (lambda: MambaCNNBlock(STAGE, gate='mean'), 'blend'),
}  # fmt: skip


@pytest.mark.parametrize('name', BLOCKS_WITH_ROUTES)
def test_blocks_and_what_they_record(name):
    build, operator = BLOCKS_WITH_ROUTES[name]
    block, x = stirred(build()), torch.randn(2, 24, 9, 11)
    shared = context(2, (9, 11))
    records = []

    def run():
        known = Context(shared.image, shared.prior, shared.prompt, gates=[], records=[])
        records.append(known.records)
        return block(x, known)

    plain, fused, calls = both(run)
    assert_near(fused, plain, 1e-5)
    assert calls[operator]
    ever, now = records
    assert [type(one) for one in now] == [type(one) for one in ever]
    for mine, expected in zip(now, ever, strict=True):
        values = 'weights' if isinstance(expected, Routing) else 'values'
        if hasattr(expected, values):
            torch.testing.assert_close(
                getattr(mine, values), getattr(expected, values), atol=1e-5, rtol=1e-5
            )


def test_only_where_nobody_differentiates_or_watches(monkeypatch):
    layer, x = GatedFeedForward(8), torch.randn(1, 8, 4, 4)
    assert not can_run_fused(x.detach(), layer.requires_grad_(False))  # a CPU
    with fused_on('cpu'):
        assert can_run_fused(x, layer)
        assert not can_run_fused(x.double(), layer)
        assert not can_run_fused(x.half(), layer)
        assert not can_run_fused(x[:0], layer)
        assert not can_run_fused(x.clone().requires_grad_(), layer)
        with torch.autocast('cpu', torch.float16):
            assert not can_run_fused(x, layer)
        layer.requires_grad_(True)
        assert not can_run_fused(x, layer)
        with torch.no_grad():
            assert can_run_fused(x, layer)
            handle = layer.dwconv.register_forward_hook(lambda *_: None)
            assert not can_run_fused(x, layer)
            handle.remove()
            assert not can_run_fused(x, nn.Conv2d(8, 8, 5, padding=2, groups=8))
            assert not can_run_fused(x, nn.Conv2d(8, 8, 3, padding=2, groups=8, dilation=2))
            assert not can_run_fused(x, nn.Conv2d(8, 8, 3, padding=1))
            assert can_run_fused(x, nn.Conv2d(8, 8, 3, padding=1, groups=8))
            monkeypatch.setenv(switch.SWITCH, '0')
            assert not can_run_fused(x, layer)


@pytest.mark.filterwarnings('ignore:.torch.jit:FutureWarning')
def test_an_export_holds_none_of_it():
    layer, x = GatedFeedForward(8).requires_grad_(False).eval(), torch.randn(1, 8, 4, 4)
    with fused_on('cpu'):
        program = torch.export.export(layer, (x,), strict=False)
        traced = torch.jit.trace(layer, x, check_trace=False)
    assert not any('irbox' in str(node.target) for node in program.graph.nodes)
    assert 'irbox::' not in str(traced.graph)


def test_a_subclass_with_a_forward_of_its_own_is_called():
    class Own(GatedFeedForward):
        def forward(self, x):
            return super().forward(x) * 0 + 5

    with torch.no_grad(), fused_on('cpu'):
        answer = Own(8).add_to(torch.zeros(1, 8, 4, 4), LayerNorm2d(8))
    assert (answer == 5).all()


@pytest.fixture
def said(monkeypatch):
    """Log lines; nobody has been told before."""
    lines = []
    monkeypatch.setattr(switch, 'print_log', lambda text, **_: lines.append(text))
    switch.trouble.cache_clear()
    yield lines
    switch.trouble.cache_clear()


def test_without_triton_torch_computes_and_the_log_says_so(monkeypatch, said):
    monkeypatch.setitem(sys.modules, 'irbox.layers.fused.trial', None)
    assert 'ModuleNotFoundError' in switch.trouble(0, torch.float32)
    switch.trouble(0, torch.float32)
    assert len(said) == 1
    assert "torch's operators" in said[0]


def test_a_device_whose_kernels_differ_is_not_trusted(monkeypatch, said):
    from irbox.layers.fused import trial

    monkeypatch.setattr(trial, 'problem', lambda *_: 'the kernel lies')
    assert switch.trouble(0, torch.float32) == 'the kernel lies'
    monkeypatch.setattr(trial, 'problem', lambda *_: None)
    assert switch.trouble(1, torch.float32) is None
    assert 'Triton kernels of irbox' in said[1]


def test_layers_do_not_import_triton():
    code = (
        'import sys, irbox, irbox.blocks, irbox.layers.fused.layers, irbox.layers.fused.trial; '
        'sys.exit("triton" in sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
