"""The fused layers on a CUDA device, against their twins and against torch's operators."""

from itertools import chain

import pytest
import torch

from irbox.benchmark.launches import CountLaunches
from irbox.benchmark.networks import read_network
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.depthwise_conv import DepthwiseConv
from irbox.layers.fused import gradient_trial, switch, trial
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
    forward = chain(trial.calls(dtype), trial.routing_calls(dtype))
    for calls, read in ((forward, trial.read), (gradient_trial.calls(dtype), gradient_trial.read)):
        for operator, twin, arguments in calls:
            moved = [one.cuda() if isinstance(one, torch.Tensor) else one for one in arguments]
            found, again = (read(operator, arguments, operator(*moved)) for _ in range(2))
            expected = read(operator, arguments, twin(*arguments))
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


@pytest.mark.parametrize(('dim', 'heads'), [(48, 1), (96, 1), (96, 2), (384, 8)])
@pytest.mark.parametrize('block', ['TransformerBlock', 'MSTBlock'])
@pytest.mark.parametrize('size', [(60, 90), (17, 23), (1, 1)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_a_block_learns_as_by_torchs_operators(block, dim, heads, size, dtype, monkeypatch):
    layer = BLOCKS.build({'type': block}, stage=Stage(dim, heads)).cuda()
    x = torch.randn(2, dim, *size, device='cuda').to(memory_format=torch.channels_last)
    grad, inputs = torch.randn_like(x), [x.requires_grad_(), *layer.parameters()]
    assert switch.gradient_trouble(0, dtype) is None
    found = []
    for asked in ('1', '1', '0'):
        monkeypatch.setenv(switch.TRAINING_SWITCH, asked)
        with torch.autocast('cuda', torch.bfloat16, enabled=dtype == torch.bfloat16):
            answer = layer(x, Context(x))
        with CountLaunches() as counting:
            found.append(torch.autograd.grad(answer, inputs, grad))
        assert any(counting.found.by_name[name] for name in NAMES) == (asked == '1')
    fused, again, plain = found
    assert all(torch.equal(*pair) for pair in zip(fused, again, strict=True))
    layer.double()
    exact = [x.detach().double().requires_grad_(), *layer.parameters()]
    right = torch.autograd.grad(layer(exact[0], Context(exact[0])), exact, grad.double())
    close = 1e-5 if dtype == torch.float32 else 0.01
    # A temperature's gradient, of one pixel, is what is left of a sum that cancels: noise of either
    # side in half precision, which nothing relates to the other's.
    noise = (
        0 if dtype == torch.float32 else 1e-4 * torch.cat([one.flatten() for one in right]).norm()
    )
    for one, other, best in zip(fused, plain, right, strict=True):
        error, allowed = ((a.double() - best).norm() for a in (one, other))
        assert error <= 2 * allowed + close * best.norm() + noise


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


@pytest.mark.parametrize(('dim', 'heads'), [(48, 1), (192, 4)])
def test_cross_attention_learns_as_by_torchs_operators(dim, heads, monkeypatch):
    layer = TransposedCrossAttention(dim, heads).cuda()
    maps = [torch.randn(2, dim, 17, 23, device='cuda').requires_grad_() for _ in range(2)]
    inputs, found = [*maps, *layer.parameters()], []
    for asked in ('1', '0'):
        monkeypatch.setenv(switch.TRAINING_SWITCH, asked)
        answer = layer(*maps)
        assert (type(answer.grad_fn).__name__ == '_FusedCrossBackward') == (asked == '1')
        found.append(torch.autograd.grad(answer.square().sum(), inputs))
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() <= 1e-4 * other.norm() + 1e-6


@pytest.mark.parametrize('half', [False, True])
def test_a_depthwise_convolution_learns_as_by_torchs_operators(half, monkeypatch):
    layer = DepthwiseConv(96, bias=True).cuda()
    x = torch.randn(2, 96, 17, 23, device='cuda').to(memory_format=torch.channels_last)
    inputs, found = [x.requires_grad_(), *layer.parameters()], []
    for asked in ('1', '0'):
        monkeypatch.setenv(switch.TRAINING_SWITCH, asked)
        with torch.autocast('cuda', torch.bfloat16, enabled=half):
            answer = layer(x)
        assert (type(answer.grad_fn).__name__ == '_FusedDepthwiseBackward') == (asked == '1')
        found.append(torch.autograd.grad(answer.float().square().sum(), inputs))
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() <= (0.02 if half else 1e-4) * other.norm()


def gradients_of_a_step(network, image, half):
    network.zero_grad()
    with torch.autocast('cuda', torch.bfloat16, enabled=half):
        restored = network(image)
    (restored.float() - image).abs().mean().backward()
    return torch.cat([weight.grad.flatten() for weight in network.parameters()])


def test_a_training_step_waits_for_nothing(monkeypatch):
    network = read_network(str(ROOT / 'configs/_base_/models/unet.yaml')).build().cuda().train()
    image = torch.rand(2, 3, 72, 104, device='cuda')
    plain, exact = (gradients_of_a_step(network, image, half) for half in (True, False))
    monkeypatch.setenv(switch.TRAINING_SWITCH, '1')
    first = gradients_of_a_step(network, image, True)
    torch.cuda.set_sync_debug_mode('error')  # after the first step, which tries the kernels
    try:
        again = gradients_of_a_step(network, image, True)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert torch.equal(first, again)
    assert (first - exact).norm() <= 1.5 * (plain - exact).norm()
    single = gradients_of_a_step(network, image, False)
    assert (single - exact).norm() <= 1e-3 * exact.norm()


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
