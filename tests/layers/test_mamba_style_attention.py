import pytest
import torch

from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.norm import LayerNorm2d


def build(**options):
    layer = MambaStyleAttention(8, 2, **options)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return layer


def linear(conv, x):
    return torch.einsum('bchw,oc->bohw', x, conv.weight[..., 0, 0]) + conv.bias[:, None, None]


@pytest.mark.parametrize('mask_mode', ['input', 'multiply'])
@pytest.mark.parametrize('options', [{}, {'separable': True}, {'projection': False}])
def test_equals_the_equations(mask_mode, options):
    layer, x = build(mask_mode=mask_mode, **options), torch.randn(2, 8, 5, 7)
    mask = torch.sigmoid(layer.dwconv(linear(layer.project_in, x)))
    attended = layer.attn(mask if mask_mode == 'input' else x * mask)
    wanted = linear(layer.project_out, attended * torch.sigmoid(linear(layer.gate[0], x)))
    torch.testing.assert_close(layer(x), wanted, atol=1e-5, rtol=1e-5)


def test_the_gate_is_shown_to_whoever_looks():
    layer, x, seen = build(), 3 * torch.randn(2, 8, 5, 7), []
    assert torch.equal(layer(x, record=seen.append), layer(x))
    (gate,) = seen
    assert gate.shape == x.shape and gate.min() > 0 and gate.max() < 1
    torch.testing.assert_close(gate, torch.sigmoid(linear(layer.gate[0], x)))


def test_a_closed_gate_leaves_the_bias():
    layer = build()
    torch.nn.init.constant_(layer.gate[0].bias, -1e4)
    out = layer(torch.randn(1, 8, 4, 4))
    torch.testing.assert_close(out, layer.project_out.bias.view(1, 8, 1, 1).expand_as(out))


def test_separable_without_projection_costs_the_same():
    def count(**options):
        return sum(p.numel() for p in MambaStyleAttention(16, 2, **options).parameters())

    # Of the four projections one moves from behind the attention to before it, with a bias.
    assert count(separable=True, projection=False) == count() + 16


def test_the_attention_sees_the_pixels_from_the_start():
    """With small random weights the first sigmoid gives 0.5 all over, and nothing is learned."""
    layer, x = MambaStyleAttention(48, 1), torch.randn(1, 48, 32, 32)
    mask = torch.sigmoid(layer.dwconv(layer.project_in(x)))
    assert mask.std(dim=(2, 3)).min() > 0.2
    assert abs(mask.mean() - 0.5) < 0.05


def test_broken_weights_are_not_hidden_in_half_precision():
    layer, norm = MambaStyleAttention(16, 1), LayerNorm2d(16)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        layer.project_in.weight[0, 0] = torch.nan
        assert layer.add_to(torch.randn(1, 16, 32, 32).bfloat16(), norm).isnan().all()
