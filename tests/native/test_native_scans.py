"""Mamba's kernels beside torch's operators."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from irbox.layers import causal_convolution
from irbox.layers.mamba import Mamba
from irbox.layers.selective_scan import dispatch, operator, selective_scan
from irbox.layers.selective_scan.torch_scan import recur_in_steps, scan_backward, scan_forward
from irbox.native import library, scan_operators
from irbox.native import torch_twins as twins

LENGTHS = pytest.mark.parametrize('length', [1, 2, 5, 32, 33, 70])
NAMES = 'u', 'delta', 'rates', 'b', 'c', 'skip', 'gate', 'bias'


@pytest.fixture
def in_threads():
    """Give what a function answers with one thread, after a look at two and three."""
    before = torch.get_num_threads()

    def ask(function):
        answers = []
        for threads in (1, 2, 3, 1):
            torch.set_num_threads(threads)
            answers.append([one for one in function() if one is not None])
        for others in answers[1:]:
            assert all(torch.equal(*pair) for pair in zip(answers[0], others, strict=True))
        return answers[0]

    yield ask
    torch.set_num_threads(before)


def assert_near(found, expected, tolerance=2e-6):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32 and one.shape == other.shape
        assert (one - other).abs().amax() <= tolerance * other.abs().amax()


def assert_the_same_without_kernels(learn, monkeypatch):
    found = learn()
    monkeypatch.setenv(library.SWITCH, '0')
    expected = learn()
    assert_near(found, expected, 2e-5)
    assert not torch.equal(found[0], expected[0]), 'the kernels were asked'


def drawn(length, batch=2, channels=144, states=5, largest_step=0.1):
    """The tensors of a scan, time-major, most of them parts of wider ones, of 9 x 16 channels."""
    u, gate = torch.randn(batch, length, 2 * channels).chunk(2, dim=-1)
    _, b, c = torch.randn(batch, length, 3 + 2 * states).split([3, states, states], dim=-1)
    bias = 0.1 * torch.randn(channels)
    step = largest_step * torch.rand(batch, length, channels) + 1e-4
    delta = torch.log(torch.expm1(step.double())).float() - bias
    rates = -states * torch.rand(states, channels) - 0.2
    return dict(zip(NAMES, (u, delta, rates, b, c, torch.randn(channels), gate, bias), strict=True))


@LENGTHS
@pytest.mark.parametrize('width', scan_operators.WIDTHS)
@pytest.mark.parametrize('bias', [False, True])
def test_a_causal_convolution(kernels, in_threads, length, width, bias):
    u, weight = drawn(length)['u'], torch.randn(width, 144)
    given = u, weight, torch.randn(144) if bias else None
    (found,) = in_threads(lambda: [scan_operators.causal(kernels, *given)])
    assert_near([found], [twins.causal(*given)])
    grad = torch.randn(2, length, 288)[..., ::2]
    found = in_threads(lambda: scan_operators.causal_gradient(kernels, *given, grad))
    assert_near(found, twins.causal_gradient(*given, grad))


def test_the_twin_is_torchs_convolution():
    u, weight, bias = torch.randn(2, 9, 16), torch.randn(4, 16), torch.randn(16)
    leaves = [one.double().requires_grad_() for one in (u, weight, bias)]
    taps = leaves[1].t()[:, None]
    wide = F.conv1d(leaves[0].transpose(1, 2), taps, leaves[2], padding=3, groups=16)
    answer = F.silu(wide[..., :9]).transpose(1, 2)
    assert_near([twins.causal(u, weight, bias)], [answer.float()])
    grad = torch.randn(2, 9, 16)
    expected = torch.autograd.grad(answer, leaves, grad.double())
    found = twins.causal_gradient(u, weight, bias, grad)
    assert_near(found, [one.float() for one in expected])


@LENGTHS
@pytest.mark.parametrize('states', [1, 5, 16])
@pytest.mark.parametrize('largest_step', [0.1, 70.0])
@pytest.mark.parametrize(
    'missing', [(), ('skip',), ('gate',), ('bias',), ('skip', 'gate', 'bias')], ids=str
)
def test_a_scan_and_its_gradient(kernels, in_threads, length, states, largest_step, missing):
    tensors = drawn(length, states=states, largest_step=largest_step)
    given = [None if name in missing else one for name, one in tensors.items()]
    exact = [None if one is None else one.double() for one in given]
    answer, kept = scan_forward(*exact, True, 32, recur_in_steps)
    found = in_threads(lambda: scan_operators.scan_forward(kernels, given, True, 32))
    assert_near(found, [answer.float(), kept.float()])
    grad = torch.randn(2, length, 144)
    expected = scan_backward(grad.double(), *exact, True, 32, recur_in_steps, kept)
    found = in_threads(
        lambda: scan_operators.scan_backward(kernels, grad, given, True, 32, kept.float())
    )
    # Of one state and one step a gradient is a difference of numbers that are larger.
    assert_near(found, [one.float() for one in expected if one is not None], 1e-5)


def test_time_steps_as_they_are(kernels):
    given = list((drawn(40) | {'bias': None}).values())
    given[1] = 0.1 * torch.rand(2, 40, 144)
    grad, rest = torch.randn(2, 40, 144), (False, 7)
    answer, kept = scan_forward(*given, *rest, recur_in_steps)
    assert_near(scan_operators.scan_forward(kernels, given, *rest), [answer, kept])
    expected = scan_backward(grad, *given, *rest, recur_in_steps, kept)[:-1]
    found = scan_operators.scan_backward(kernels, grad, given, *rest, kept)[:-1]
    assert_near(found, expected, 1e-5)


def test_softplus_everywhere(kernels):
    """One step of one state: the answer is the time step. Small ones are as right as large ones."""
    points = torch.linspace(-86, 90, 16000).view(1, 1, -1)
    ones = torch.ones_like(points)
    one = torch.ones(1, 1, 1)
    given = ones, points, torch.zeros(1, 16000), one, one, None, None, None
    found, _ = scan_operators.scan_forward(kernels, given, True, 32)
    expected = F.softplus(points.double(), threshold=100).float()
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-6)


def test_decays_everywhere(kernels):
    """Of a state that starts at one, after a step that writes nothing."""
    rates = torch.cat([torch.linspace(-86, 86, 15984), torch.tensor([-2e4, 2e4]).repeat(8)])
    # Short, so that what the first state comes from, zero, is multiplied by a number.
    step = torch.tensor([1e-3, 1.0]).view(1, 2, 1).expand(1, 2, 16000)
    write, read = torch.tensor([1.0, 0.0]).view(1, 2, 1), torch.ones(1, 2, 1)
    given = 1 / step, step, rates[None], write, read, None, None, None
    found = scan_operators.scan_forward(kernels, given, False, 32)[0][0, 1]
    torch.testing.assert_close(found[:-16], rates[:-16].double().exp().float(), atol=0, rtol=1e-5)
    assert 0 <= found[-2] < 1e-37 and found[-1] == torch.inf


@pytest.mark.parametrize('name', ['u', 'delta', 'rates', 'b', 'c'])
def test_what_is_no_number_stays(kernels, name):
    tensors = drawn(3)
    tensors[name] = torch.full_like(tensors[name], torch.nan)
    answer, _ = scan_operators.scan_forward(kernels, tuple(tensors.values()), True, 32)
    assert answer.isnan().all()


def major(tensors):
    """As ``selective_scan`` takes them."""
    u, delta, rates, b, c, skip, gate, bias = tensors.values()
    u, delta, b, c, gate = (one.transpose(1, 2) for one in (u, delta, b, c, gate))
    return [one.detach().requires_grad_() for one in (u, delta, rates.t(), b, c, skip, gate, bias)]


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('contiguous', [False, True])
@pytest.mark.parametrize('groups', [1, 3])
def test_the_operator_takes_them(contiguous, groups, monkeypatch):
    given = major(drawn(70))
    if groups > 1:
        given[3], given[4] = (
            torch.stack([one.detach() * k for k in (1, 2, 3)], 1).requires_grad_()
            for one in given[3:5]
        )
    if contiguous:
        given = [one.detach().contiguous().requires_grad_() for one in given]
    weights = torch.randn(2, 144, 70)

    def learn():
        answer = selective_scan(*given, delta_softplus=True)
        return [answer.detach(), *torch.autograd.grad((answer * weights).sum(), given)]

    assert_the_same_without_kernels(learn, monkeypatch)


@pytest.mark.usefixtures('kernels')
def test_the_operator_keeps_the_rules_of_torch():
    u, delta, rates, b, c, skip, gate, bias = drawn(40, channels=16).values()
    full = u, delta, rates, b, c, skip, gate, bias, True
    bare = u, delta.exp(), rates, b, c, None, None, None, False
    for arguments in (full, bare):
        learning = [
            one.detach().requires_grad_() if torch.is_tensor(one) else one for one in arguments
        ]
        torch.library.opcheck(operator.scan, (*learning, 'native', 16))


def test_a_program_that_was_written_with_kernels_runs_without(kernels, monkeypatch):
    given = [*drawn(40).values(), True]
    monkeypatch.setenv(library.SWITCH, '0')
    found = operator.scan(*given, 'native', 32)
    expected = operator.scan(*given, 'steps', 32)
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize(
    ('backend', 'device', 'portable', 'vectors', 'expected'),
    [
        ('auto', 'cpu', False, True, 'native'),
        ('auto', 'cpu', False, False, 'steps'),
        ('auto', 'cpu', True, True, 'steps'),
        ('torch', 'cpu', False, True, 'steps'),
        ('auto', 'meta', False, True, 'steps'),
        ('auto', 'mps', False, True, 'levels'),
    ],
)
def test_the_path(backend, device, portable, vectors, expected, monkeypatch):
    assert dispatch.choose_path(backend, device, 0, portable, vectors) == expected
    monkeypatch.setenv(library.SWITCH, '0')
    plain = dispatch.choose_path(backend, device, 0, portable, vectors)
    assert plain == {'native': 'steps'}.get(expected, expected)


@pytest.mark.usefixtures('kernels')
def test_the_log_names_them(monkeypatch):
    lines = []
    monkeypatch.setattr(dispatch, 'print_log', lambda text, logger: lines.append(text))
    dispatch._say.cache_clear()
    for _ in range(2):
        selective_scan(*major(drawn(3)))
    (line,) = lines
    assert 'the C++ kernels of irbox on cpu' in line and 'pip install' not in line


@pytest.mark.usefixtures('kernels')
@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize(('d_conv', 'd_state'), [(4, 16), (2, 5)])
def test_a_layer_gives_the_same_and_learns_the_same(d_conv, d_state, autocast, monkeypatch):
    layer, x = Mamba(24, d_state, d_conv), torch.randn(2, 37, 24, requires_grad=True)
    weights = torch.randn(2, 37, 24)

    def learn():
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            answer = layer(x)
        grads = torch.autograd.grad((answer * weights).sum(), [x, *layer.parameters()])
        with torch.no_grad():
            assert torch.equal(layer(x), answer)
        return [answer.detach(), *grads]

    assert_the_same_without_kernels(learn, monkeypatch)


@pytest.mark.usefixtures('kernels')
def test_what_is_not_for_the_convolution(monkeypatch):
    convolved = causal_convolution.convolved
    conv = Mamba(8).conv1d
    u = torch.randn(1, 5, 16)
    assert convolved(u, conv) is not None
    assert convolved(u.double(), conv) is None
    assert convolved(u.bfloat16(), conv) is None
    assert convolved(u, Mamba(8).conv1d.bfloat16()) is None
    assert convolved(u.to('meta'), conv) is None
    assert convolved(torch.randn(1, 5, 24), Mamba(12).conv1d) is None
    assert convolved(u, Mamba(8, d_conv=5).conv1d) is None
    handle = conv.register_forward_hook(lambda *_: None)
    assert convolved(u, conv) is None, 'somebody watches'
    handle.remove()
    monkeypatch.setenv(library.SWITCH, '0')
    assert convolved(u, conv) is None


@pytest.mark.usefixtures('kernels')
def test_torch_where_it_was_asked_for(monkeypatch):
    def refused(*_):
        raise AssertionError('a kernel of ours was asked')

    for name in ('causal', 'scan_forward'):
        monkeypatch.setattr(scan_operators, name, refused)
    x = torch.randn(1, 5, 8)
    Mamba(8, backend='torch')(x)
    with pytest.raises(AssertionError, match='was asked'):
        Mamba(8)(x)
