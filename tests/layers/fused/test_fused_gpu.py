"""The fused layers on a CUDA device, against their twins and against torch's operators."""

from itertools import chain

import pytest
import torch

from irbox.benchmark.launches import CountLaunches
from irbox.benchmark.networks import read_network
from irbox.layers.fused import switch, trial
from irbox.layers.fused.define import NAMES
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from support.paths import ROOT

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]


@pytest.fixture(autouse=True)
def full_float32():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision('highest')
    torch.backends.cudnn.allow_tf32 = False  # convolutions have a switch of their own
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.mark.parametrize(('dtype', 'limit'), [(torch.float32, 1e-5), (torch.bfloat16, 2**-6)])
def test_the_kernels_equal_their_twins(dtype, limit):
    for operator, twin, arguments in chain(trial.calls(dtype), trial.routing_calls(dtype)):
        moved = [one.cuda() if isinstance(one, torch.Tensor) else one for one in arguments]
        found = trial.read(operator, arguments, operator(*moved))
        again = trial.read(operator, arguments, operator(*moved))
        expected = trial.read(operator, arguments, twin(*arguments))
        assert trial.difference(found, expected) <= limit, operator
        assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True)), operator


@pytest.mark.parametrize(('dim', 'heads'), [(48, 1), (96, 1), (96, 2), (384, 8)])
@pytest.mark.parametrize('block', ['TransformerBlock', 'MSTBlock'])
@pytest.mark.parametrize('size', [(60, 90), (17, 23), (1, 1)])
def test_a_block_equals_torchs_operators(block, dim, heads, size, monkeypatch):
    layer = BLOCKS.build({'type': block}, stage=Stage(dim, heads)).cuda()
    x = torch.randn(2, dim, *size, device='cuda').to(memory_format=torch.channels_last)
    assert switch.trouble(0, torch.float32) is None
    with torch.no_grad(), CountLaunches() as counting:
        fused = layer(x, Context(x))
    assert any(counting.found.by_name[name] for name in NAMES)
    monkeypatch.setenv(switch.SWITCH, '0')
    with torch.no_grad():
        plain = layer(x, Context(x))
        exact = layer.double()(x.double(), Context(x.double()))
    assert (fused - exact).abs().max() <= 2 * (plain - exact).abs().max() + 1e-5 * exact.std()


@pytest.mark.parametrize('name', ['unet', 'm2ir', 'm2restore_official', 'm2restore'])
def test_a_network_equals_torchs_operators(name, monkeypatch):
    network = read_network(str(ROOT / f'configs/_base_/models/{name}.yaml')).build().cuda()
    image = torch.rand(2, 3, 72, 104, device='cuda')
    with torch.no_grad():
        fused = network(image)
        with torch.autocast('cuda', torch.bfloat16):
            half = network(image)
        monkeypatch.setenv(switch.SWITCH, '0')
        plain = network(image)
        with torch.autocast('cuda', torch.bfloat16):
            half_plain = network(image)
    scale = (plain - image).std()
    # A routed pixel whose best experts score alike may choose another one, and is then far off.
    assert ((fused - plain).abs() > 1e-4 * scale).float().mean() < 1e-3
    assert (half - plain).norm() <= 1.5 * (half_plain - plain).norm()


@pytest.mark.parametrize('name', ['m2ir', 'm2restore_official'])
def test_nothing_waits_for_the_device(name):
    network = read_network(str(ROOT / f'configs/_base_/models/{name}.yaml')).build().cuda()
    image = torch.rand(1, 3, 64, 64, device='cuda')
    with torch.no_grad():
        network(image)
        torch.cuda.set_sync_debug_mode('error')
        try:
            network(image)
        finally:
            torch.cuda.set_sync_debug_mode('default')


def test_a_captured_graph_gives_the_same():
    layer = BLOCKS.build({'type': 'TransformerBlock'}, stage=Stage(48, 1)).cuda()
    x = torch.randn(1, 48, 32, 32, device='cuda').to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = layer(x, Context(x))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = layer(x, Context(x))
        answer.zero_()
        graph.replay()
    assert torch.equal(answer, expected)
