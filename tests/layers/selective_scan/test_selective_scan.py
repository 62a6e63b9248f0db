import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from irbox.layers.selective_scan import choose_path, mamba_ssm_scan, operator, selective_scan
from irbox.layers.selective_scan import dispatch as module
from irbox.layers.selective_scan.torch_scan import recur_in_levels, recur_in_steps, scan_forward

NAMES = ('u', 'delta', 'A', 'B', 'C', 'D', 'z', 'delta_bias')


def reference(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):  # noqa: N803
    """Step by step, in float64, as the equations read."""
    u, delta, A, B, C = (t.double() for t in (u, delta, A, B, C))  # noqa: N806
    delta = delta if delta_bias is None else delta + delta_bias.double()[:, None]
    delta = F.softplus(delta) if delta_softplus else delta
    decay = torch.exp(delta.movedim(-1, 0)[..., None] * A)  # (L, batch, dim, state)
    entered = (delta * u).movedim(-1, 0)[..., None] * B.movedim(-1, 0)[:, :, None]
    states = [torch.zeros_like(decay[0])]
    for factor, value in zip(decay, entered, strict=True):
        states.append(factor * states[-1] + value)
    y = (torch.stack(states[1:]) * C.movedim(-1, 0)[:, :, None]).sum(-1).movedim(0, -1)
    y = y if D is None else y + D.double()[:, None] * u
    return y if z is None else y * F.silu(z.double())


def make(batch, length, dim=6, state=4, largest_step=0.1, seed=0):
    """The eight tensors, random; time steps up to ``largest_step`` after bias and softplus."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    steps = torch.rand(batch, dim, length, generator=generator) * largest_step + 1e-4
    bias = 0.1 * normal(dim)
    tensors = (
        normal(batch, dim, length),
        torch.log(torch.expm1(steps.double())).float() - bias[:, None],
        -torch.rand(dim, state, generator=generator) * state - 0.2,
        normal(batch, state, length),
        normal(batch, state, length),
        normal(dim),
        normal(batch, dim, length),
        bias,
    )
    return [t.requires_grad_() for t in tensors]


def gradients(y, tensors):
    weights = torch.cos(torch.arange(y.numel(), dtype=torch.float64, device=y.device)).view(y.shape)
    return torch.autograd.grad((y.double() * weights).sum(), [t for t in tensors if t is not None])


def assert_near(mine, theirs, tolerance=2e-5):
    """Equal to a fraction of the largest value: the size that rounding errors have."""
    for got, expected in zip(mine, theirs, strict=True):
        expected = expected.double()
        scale = float(expected.detach().abs().max()) + 1e-12
        torch.testing.assert_close(got.double(), expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('largest_step', [0.1, 70.0])
@pytest.mark.parametrize('length', [1, 7, 196, 784, 5400])
def test_forward_and_gradients_equal_the_reference(length, largest_step, batch, monkeypatch):
    tensors = make(batch, length, dim=3, state=2, largest_step=largest_step)
    expected = reference(*tensors, delta_softplus=True)
    expected = [expected, *gradients(expected, tensors)]
    for path in ('steps', 'levels'):
        monkeypatch.setattr(module, 'choose_path', lambda *_, path=path: path)
        y = selective_scan(*tensors, delta_softplus=True)
        assert y.dtype == torch.float32
        assert_near([y, *gradients(y, tensors)], expected)


@pytest.mark.parametrize('missing', [('D',), ('z',), ('delta_bias',), ('D', 'z', 'delta_bias')])
@pytest.mark.parametrize('softplus', [True, False])
def test_optional_arguments(missing, softplus):
    tensors = [None if n in missing else t for n, t in zip(NAMES, make(2, 70), strict=True)]
    if not softplus:
        tensors[1] = tensors[1].detach().abs().requires_grad_()
        tensors[7] = None if tensors[7] is None else tensors[7].detach().abs().requires_grad_()
    expected = reference(*tensors, delta_softplus=softplus)
    y = selective_scan(*tensors, delta_softplus=softplus)
    assert_near([y, *gradients(y, tensors)], [expected, *gradients(expected, tensors)])


def test_steps_of_no_time_change_nothing():
    u, delta, *rest = make(1, 40)[:5]
    delta = torch.zeros_like(delta)
    assert selective_scan(u, delta, *rest).abs().max() == 0


def test_the_answer_looks_only_back():
    tensors = make(1, 100)
    whole = selective_scan(*tensors, delta_softplus=True)
    part = [t[..., :70] if t.dim() == 3 else t for t in tensors]
    torch.testing.assert_close(whole[..., :70], selective_scan(*part, delta_softplus=True))


@pytest.mark.parametrize('recur', [recur_in_steps, recur_in_levels])
def test_a_long_sequence_equals_its_chunks(recur):
    u, delta, rates, b, c = make(2, 300)[:5]
    inputs = [u.transpose(1, 2), F.softplus(delta).transpose(1, 2), rates.t().contiguous()]
    inputs = [t.detach() for t in (*inputs, b.transpose(1, 2), c.transpose(1, 2))]
    nothing = (None, None, None, False)
    whole = scan_forward(*inputs, *nothing, 300, recur)[0]
    for chunk in (1, 7, 32, 299, 1000):
        answer, kept = scan_forward(*inputs, *nothing, chunk, recur)
        assert kept.shape == (2, -(-300 // chunk) + 1, 4, 6)
        assert_near([answer], [whole])

    # What a kept state adds to the steps after it is what the first part of the sequence adds.
    kept = scan_forward(*inputs, *nothing, 100, recur)[1]
    u, step, rates, b, c = inputs
    tail = scan_forward(*(t[:, 100:] if t.dim() == 3 else t for t in inputs), *nothing, 32, recur)
    fading = torch.exp(step[:, 100:].double().cumsum(1)[:, :, None] * rates.double())
    added = (c[:, 100:, :, None] * fading * kept[:, 1, None].double()).sum(2)
    assert_near([tail[0] + added], [whole[:, 100:]])
    assert_near([tail[1][:, -1] + fading[:, -1] * kept[:, 1]], [kept[:, -1]])


@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('length', [1, 2, 3, 5, 8, 31, 64, 100])
def test_both_recurrences_agree(length, reverse):
    generator = torch.Generator().manual_seed(length)
    links = torch.rand(2, length - 1, 3, dtype=torch.float64, generator=generator)
    values = torch.randn(2, length, 3, dtype=torch.float64, generator=generator)
    in_steps, in_levels = values.clone(), values.clone()
    recur_in_steps(links, in_steps, reverse)
    recur_in_levels(links, in_levels, reverse)
    torch.testing.assert_close(in_steps, in_levels)


def test_groups_have_their_own_b_and_c():
    tensors = make(2, 40)
    tensors[3:5] = [
        torch.stack([t.detach(), t.detach().flip(-1)], dim=1).requires_grad_() for t in tensors[3:5]
    ]
    y = selective_scan(*tensors, delta_softplus=True)
    halves = []
    for g in range(2):
        u, delta, rates, b, c, skip, gate, bias = tensors
        part = [u[:, 3 * g :][:, :3], delta[:, 3 * g :][:, :3], rates[3 * g :][:3]]
        part += [b[:, g], c[:, g], skip[3 * g :][:3], gate[:, 3 * g :][:, :3], bias[3 * g :][:3]]
        halves.append(reference(*part, delta_softplus=True))
    expected = torch.cat(halves, dim=1)
    assert_near([y, *gradients(y, tensors)], [expected, *gradients(expected, tensors)])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_computes_in_float32_and_answers_in_the_dtype_of_u(dtype):
    tensors = [t.detach().to(dtype) for t in make(1, 200)]
    y = selective_scan(*tensors, delta_softplus=True)
    assert y.dtype == dtype
    exact = selective_scan(*(t.float() for t in tensors), delta_softplus=True)
    assert torch.equal(y, exact.to(dtype))


def test_autocast_changes_nothing():
    tensors = make(1, 200)
    y = selective_scan(*tensors, delta_softplus=True)
    grads = torch.autograd.grad(y.sum(), tensors)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        under = selective_scan(*tensors, delta_softplus=True)
        grads_under = torch.autograd.grad(under.sum(), tensors)
    for got, expected in zip((under, *grads_under), (y, *grads), strict=True):
        assert torch.equal(got, expected)


def test_same_bits_every_time():
    runs = []
    for _ in range(2):
        tensors = make(2, 100)
        y = selective_scan(*tensors, delta_softplus=True)
        runs.append([y, *torch.autograd.grad(y.sum(), tensors)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_only_chunk_boundaries_are_kept_for_the_backward_pass():
    tensors = make(1, 640, dim=16, state=8)
    inputs = sum(t.numel() for t in tensors)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        selective_scan(*tensors, delta_softplus=True)
    boundaries = (640 // 32 + 1) * 16 * 8
    assert sum(kept) <= inputs + boundaries + 16 * 8  # and A, transposed


def test_second_derivatives_are_refused_and_not_wrong():
    tensors = make(1, 10)
    grad = torch.autograd.grad(selective_scan(*tensors).sum(), tensors[0], create_graph=True)[0]
    with pytest.raises(RuntimeError, match='no autograd formula'):
        grad.sum().backward()


@pytest.mark.parametrize('path', ['steps', 'levels'])
def test_the_operator_keeps_the_rules_of_torch(path):
    u, delta, rates, b, c, skip, gate, bias = make(2, 40)
    major = [t.detach().transpose(1, 2).requires_grad_() for t in (u, delta, b, c, gate)]
    rates = rates.detach().t().contiguous().requires_grad_()
    full = (*major[:2], rates, *major[2:4], skip, major[4], bias, True)
    step = F.softplus(major[1].detach()).requires_grad_()
    bare = (major[0], step, rates, *major[2:4], None, None, None, False)
    for arguments in (full, bare):
        torch.library.opcheck(operator.scan, (*arguments, path, 16))


def test_compiles_in_one_graph():
    tensors = make(2, 70)
    y = selective_scan(*tensors, delta_softplus=True)
    compiled = torch.compile(selective_scan, backend='aot_eager', fullgraph=True)
    z = compiled(*tensors, delta_softplus=True)
    assert torch.equal(y, z)
    for a, b in zip(gradients(y, tensors), gradients(z, tensors), strict=True):
        torch.testing.assert_close(a, b)


def test_checkpointing_changes_nothing():
    tensors = make(2, 70)
    y = selective_scan(*tensors, True)
    again = checkpoint(selective_scan, *tensors, True, use_reentrant=False)
    assert torch.equal(y, again)
    for a, b in zip(gradients(y, tensors), gradients(again, tensors), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ('name', 'shape'),
    [
        ('u', (2, 6)),
        ('delta', (2, 6, 9)),
        ('A', (5, 4)),
        ('B', (2, 3, 10)),
        ('B', (2, 5, 4, 10)),
        ('C', (2, 1, 4, 10)),
        ('D', (5,)),
        ('z', (2, 10, 6)),
        ('delta_bias', (6, 1)),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_by_name(name, shape):
    tensors = dict(zip(NAMES, make(2, 10), strict=True))
    tensors[name] = torch.zeros(shape)
    with pytest.raises(ValueError, match=rf'\b{name if shape != (2, 5, 4, 10) else "C"}\b'):
        selective_scan(**tensors)


def test_groups_must_divide_the_channels():
    tensors = make(2, 10)
    tensors[3:5] = [torch.zeros(2, 5, 4, 10) for _ in range(2)]
    with pytest.raises(ValueError, match='dim=6 does not divide into 5 groups'):
        selective_scan(*tensors)


def test_a_complex_a_is_refused():
    tensors = make(1, 10)
    tensors[2] = tensors[2].detach().to(torch.complex64)
    with pytest.raises(ValueError, match='A must be real'):
        selective_scan(*tensors)


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="'gpu'.*Known: auto, cuda, torch"):
        selective_scan(*make(1, 10), backend='gpu')


def test_missing_kernels_are_named_with_their_recipe(monkeypatch):
    monkeypatch.setattr(mamba_ssm_scan, 'problem', lambda: 'the kernels are not there')
    with pytest.raises(ImportError, match=r'not there.*--no-build-isolation .irbox\[cuda\]'):
        selective_scan(*make(1, 10), backend='cuda')


def test_present_kernels_need_cuda_tensors(monkeypatch):
    monkeypatch.setattr(mamba_ssm_scan, 'problem', lambda: None)
    with pytest.raises(ValueError, match='needs CUDA tensors, got tensors on cpu'):
        selective_scan(*make(1, 10), backend='cuda')


@pytest.mark.parametrize('error', [ImportError('no module'), OSError('undefined symbol: x')])
def test_kernels_that_do_not_import_are_a_problem_and_no_crash(monkeypatch, error):
    def fail(name):
        assert name == 'selective_scan_cuda'
        raise error

    monkeypatch.setattr(mamba_ssm_scan, 'import_module', fail)
    assert str(error) in mamba_ssm_scan.problem.__wrapped__()


@pytest.mark.parametrize(
    ('backend', 'device', 'kernels', 'triton', 'portable', 'expected'),
    [
        ('auto', 'cpu', True, True, False, 'steps'),
        ('auto', 'cuda', True, True, False, 'mamba-ssm'),
        ('auto', 'cuda', False, True, False, 'triton'),
        ('auto', 'cuda', False, False, False, 'levels'),
        ('auto', 'cuda', True, True, True, 'levels'),
        ('auto', 'mps', True, True, False, 'levels'),
        ('torch', 'cuda', True, True, False, 'levels'),
        ('torch', 'cpu', True, True, False, 'steps'),
        ('cuda', 'cuda', True, True, False, 'mamba-ssm'),
    ],
)
def test_the_path(monkeypatch, backend, device, kernels, triton, portable, expected):
    monkeypatch.setattr(mamba_ssm_scan, 'problem', lambda: None if kernels else 'none')
    monkeypatch.setattr(operator, 'triton_problem', lambda _: None if triton else 'none')
    assert choose_path(backend, device, 0, portable) == expected


def test_the_path_is_logged_once_with_reason_and_recipe(monkeypatch):
    lines = []
    monkeypatch.setattr(module, 'print_log', lambda text, logger: lines.append(text))
    module._say.cache_clear()
    for _ in range(3):
        selective_scan(*make(1, 10))
    assert len(lines) == 1
    for part in ('torch, step by step', 'the tensors are on cpu', "'irbox[cuda]'"):
        assert part in lines[0]


def test_triton_trouble_is_a_reason_and_no_crash(monkeypatch):
    name = 'irbox.layers.selective_scan.triton_scan'
    monkeypatch.setitem(sys.modules, name, None)
    # Where another test has imported it, the package knows it as well.
    monkeypatch.delattr(name, raising=False)
    assert 'ModuleNotFoundError' in operator.triton_problem.__wrapped__(0)


def test_a_scan_on_the_cpu_imports_no_optional_package_and_importing_it_no_compiler():
    code = (
        'import sys, torch; from irbox.layers.mamba import Mamba;'
        'print("torch._dynamo" in sys.modules); Mamba(8)(torch.zeros(1, 4, 8));'
        'print({"transformers", "mamba_ssm", "causal_conv1d", "tilelang"} & set(sys.modules))'
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.split('\n')[0] == 'False'
    assert run.stdout.split('\n')[-2] == 'set()'
