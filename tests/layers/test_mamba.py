import copy
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from irbox.layers import mamba
from irbox.layers.fused.switch import fused_on
from irbox.layers.mamba import Mamba


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return Mamba(8, d_state=4)


@pytest.fixture
def x():
    return torch.randn(2, 70, 8, generator=torch.Generator().manual_seed(1))


def reference(layer, x):
    """The layer in float64, written as the paper's Algorithm 2 inside its Figure 3."""
    weights = {name: p.double() for name, p in layer.state_dict().items()}
    x = x.double()
    inner, state, rank = layer.d_inner, layer.d_state, layer.dt_rank
    u, z = (x @ weights['in_proj.weight'].T).split(inner, dim=-1)
    width = weights['conv1d.weight'].shape[-1]
    padded = F.pad(u, (0, 0, width - 1, 0))
    u = sum(padded[:, k : k + u.shape[1]] * weights['conv1d.weight'][:, 0, k] for k in range(width))
    u = F.silu(u + weights['conv1d.bias'])
    dt, b, c = (u @ weights['x_proj.weight'].T).split([rank, state, state], dim=-1)
    dt = F.softplus(dt @ weights['dt_proj.weight'].T + weights['dt_proj.bias'])
    rates = -weights['A_log'].exp()
    h = x.new_zeros(x.shape[0], inner, state)
    answer = []
    for t in range(x.shape[1]):
        h = (dt[:, t, :, None] * rates).exp() * h
        h = h + (dt[:, t] * u[:, t])[..., None] * b[:, t, None]
        answer.append((h * c[:, t, None]).sum(-1) + weights['D'] * u[:, t])
    return (torch.stack(answer, 1) * F.silu(z)) @ weights['out_proj.weight'].T


def test_keeps_the_shape_and_reaches_every_weight(layer, x):
    y = layer(x)
    assert y.shape == x.shape and y.dtype == torch.float32
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in layer.parameters())


def test_equals_the_reference(layer, x):
    with torch.no_grad():
        layer.A_log += 0.1 * torch.randn_like(layer.A_log)
        layer.D += torch.randn_like(layer.D)
    torch.testing.assert_close(layer(x).double(), reference(layer, x), rtol=1e-4, atol=1e-5)


def test_parameters_are_those_of_mamba_ssm():
    """The table of the bottleneck of M2Restore: 384 channels."""
    assert {name: tuple(p.shape) for name, p in Mamba(384).state_dict().items()} == {
        'A_log': (768, 16),
        'D': (768,),
        'in_proj.weight': (1536, 384),
        'conv1d.weight': (768, 1, 4),
        'conv1d.bias': (768,),
        'x_proj.weight': (56, 768),
        'dt_proj.weight': (768, 24),
        'dt_proj.bias': (768,),
        'out_proj.weight': (384, 768),
    }


def test_a_state_dict_goes_round(layer, x):
    other = Mamba(8, d_state=4)
    assert not torch.equal(other(x), layer(x))
    other.load_state_dict(layer.state_dict(), strict=True)
    assert torch.equal(other(x), layer(x))


def test_dt_rank_is_rounded_up():
    assert Mamba(17).dt_proj.weight.shape == (34, 2)


def test_starts_as_the_paper_says():
    torch.manual_seed(0)
    layer = Mamba(64)
    torch.testing.assert_close(layer.A_log.exp(), torch.arange(1.0, 17).expand(128, 16))
    assert bool((layer.D == 1).all())
    assert layer.dt_proj.weight.abs().max() <= 4**-0.5
    assert layer.dt_proj.weight.abs().max() > 0.9 * 4**-0.5
    steps = F.softplus(layer.dt_proj.bias)
    assert steps.min() >= 1e-3 * 0.99 and steps.max() <= 0.1 * 1.01
    # Log-uniform: half of the steps lie below the geometric mean.
    assert 0.35 < (steps < 1e-2).float().mean() < 0.65


def test_flags_for_the_optimizer_and_for_initialisers(layer):
    for flagged in (layer, copy.deepcopy(layer), copy.deepcopy(layer).half()):
        parameters = dict(flagged.named_parameters())
        free_of_decay = {n for n, p in parameters.items() if getattr(p, '_no_weight_decay', False)}
        kept = {n for n, p in parameters.items() if getattr(p, '_no_reinit', False)}
        assert free_of_decay == {'A_log', 'D'}
        assert kept == {'dt_proj.bias'}


def test_one_image_equals_many(layer, x):
    together = layer(x)
    torch.testing.assert_close(together, torch.cat([layer(x[:1]), layer(x[1:])]))


def test_looks_only_back(layer, x):
    torch.testing.assert_close(layer(x)[:, :30], layer(x[:, :30]))


def test_autocast_changes_nothing(layer, x):
    y = layer(x)
    y.sum().backward()
    expected = [p.grad.clone() for p in layer.parameters()]
    layer.zero_grad()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert (x @ x.transpose(1, 2)).dtype == torch.bfloat16  # autocast is on
        under = layer(x)
    under.sum().backward()
    assert under.dtype == torch.float32 and torch.equal(under, y)
    assert all(torch.equal(p.grad, e) for p, e in zip(layer.parameters(), expected, strict=True))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_inputs_are_cast_up(layer, x, dtype):
    y = layer(x.to(dtype))
    assert y.dtype == dtype
    assert torch.equal(y, layer(x.to(dtype).float()).to(dtype))


def test_half_weights_work_too(layer, x):
    expected = layer(x)
    y = layer.bfloat16()(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, expected, rtol=0.1, atol=0.05)


def test_compiles_in_one_graph(layer, x):
    y = layer(x)
    compiled = torch.compile(layer, backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(compiled(x), y)
    torch.testing.assert_close(compiled(x[:, :41]), layer(x[:, :41]))


@pytest.mark.parametrize('strict', [False, True])
def test_exports_for_any_length(layer, x, strict):
    sizes = {0: torch.export.Dim('batch', max=64), 1: torch.export.Dim('length', max=10000)}
    program = torch.export.export(layer, (x,), dynamic_shapes={'x': sizes}, strict=strict)
    longer = torch.randn(3, 131, 8)
    torch.testing.assert_close(program.module()(longer), layer(longer))


def test_an_export_survives_a_file(layer, x, tmp_path):
    torch.export.save(torch.export.export(layer, (x,)), tmp_path / 'mamba.pt2')
    program = torch.export.load(tmp_path / 'mamba.pt2')
    torch.testing.assert_close(program.module()(x), layer(x))


def test_checkpointing_changes_nothing(layer, x):
    layer(x).square().sum().backward()
    expected = [p.grad.clone() for p in layer.parameters()]
    layer.zero_grad()
    checkpoint(layer, x, use_reentrant=False).square().sum().backward()
    assert all(torch.equal(p.grad, e) for p, e in zip(layer.parameters(), expected, strict=True))


def test_shapes_can_be_found_without_values(layer, x):
    assert layer.to('meta')(x.to('meta')).shape == x.shape


@pytest.mark.parametrize('shape', [(2, 8), (2, 70, 9), (2, 8, 5, 5)])
def test_a_wrong_shape_is_refused(layer, shape):
    with pytest.raises(ValueError, match=r'expects \(B, L, 8\)'):
        layer(torch.zeros(shape))


def test_an_unknown_backend_is_refused_when_built():
    with pytest.raises(ValueError, match='Known: auto, cuda, torch'):
        Mamba(8, backend='triton')


def test_the_fused_convolution_gets_what_it_expects(layer, x, monkeypatch):
    expected = layer(x)

    def causal_conv1d_fn(x, weight, bias=None, activation=None):
        assert x.stride(-1) == 1 and activation == 'silu'
        channels, width = weight.shape
        y = F.conv1d(F.pad(x, (width - 1, 0)), weight[:, None], bias, groups=channels)
        return F.silu(y)

    monkeypatch.setitem(
        sys.modules, 'causal_conv1d', SimpleNamespace(causal_conv1d_fn=causal_conv1d_fn)
    )
    kernel = mamba._causal_conv1d_fn.__wrapped__()
    monkeypatch.setattr(mamba, 'causal_convolution_kernel', lambda *_: kernel)
    torch.testing.assert_close(layer(x), expected)


def test_the_convolution_learns_by_fused_kernels(layer, x):
    inputs = [x.requires_grad_(), *layer.parameters()]
    layer.backend = 'torch'
    expected = torch.autograd.grad(layer(x).square().sum(), inputs)
    layer.backend = 'auto'
    with fused_on('cpu', learns=True):
        u = layer.in_proj(x).chunk(2, dim=-1)[0]
        assert type(layer._convolve(u).grad_fn.next_functions[0][0]).__name__ == '_FusedBackward'
        found = torch.autograd.grad(layer(x).square().sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() <= 1e-5 * other.abs().max()


def test_the_convolution_stays_on_torch_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'causal_conv1d', None)
    assert mamba._causal_conv1d_fn.__wrapped__() is None
    assert mamba.causal_convolution_kernel('cpu', 'auto') is None
    assert mamba.causal_convolution_kernel('cuda', 'torch') is None
