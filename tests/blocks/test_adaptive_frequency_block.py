import pytest
import torch
from torch.nn import functional as F

from irbox.blocks import AdaptiveFrequencyBlock
from irbox.structures import Context, Stage
from irbox.testing import check_block

STAGE = Stage(dim=8, heads=1)


def count(dim, **options):
    block = AdaptiveFrequencyBlock(Stage(dim, 1), **options)
    return sum(p.numel() for p in block.parameters() if p.requires_grad)


@pytest.mark.parametrize('mask', ['box', 'soft'])
@pytest.mark.parametrize('size', [(8, 8), (5, 7), (1, 1)])
def test_is_the_identity_at_the_start(mask, size):
    x = torch.randn(2, 8, *size)
    block = AdaptiveFrequencyBlock(STAGE, mask=mask)
    torch.testing.assert_close(block(x, Context(torch.rand(2, 3, 16, 24))), x)


def test_alpha_weighs_the_attention_and_beta_the_map():
    block = AdaptiveFrequencyBlock(STAGE, mask='soft')
    with torch.no_grad():
        block.alpha.uniform_()
        block.beta.uniform_()
    x, image = torch.randn(2, 8, 6, 5), torch.rand(2, 3, 24, 20)
    seen = F.interpolate(image, (6, 5), mode='bilinear', align_corners=False)
    low, high = block.split(block.embed(seen))
    merged = block.modulate(block.attend_low(low, x), block.attend_high(high, x))
    wanted = block.alpha * block.attend(x, merged) + block.beta * x
    torch.testing.assert_close(block(x, Context(image)), wanted, atol=1e-6, rtol=1e-5)


def test_published_parameter_counts():
    counts = [count(dim, unused_weights=True) for dim in (384, 192, 96)]
    assert counts == [2_007_188, 515_300, 135_692]


def test_weights_that_are_never_used_are_there_only_on_request():
    # Per block: two convolutions that the public code never calls, and the box's cut-offs.
    dim = 96
    never_called = 27 * dim + (2 * 2 * 49 + 2)
    cut_offs = dim * (dim // 8) + 2 * (dim // 8)
    assert count(dim, unused_weights=True) - count(dim) == never_called + cut_offs
    assert count(dim, mask='soft') - count(dim) == cut_offs


def test_unused_weights_never_get_a_gradient():
    block = AdaptiveFrequencyBlock(STAGE, unused_weights=True)
    with torch.no_grad():
        block.alpha.fill_(1)
    block(torch.randn(1, 8, 8, 8), Context(torch.rand(1, 3, 16, 16))).sum().backward()
    without = {name for name, weight in block.named_parameters() if weight.grad is None}
    assert without == {
        'conv.weight',
        'score_gen.weight',
        'score_gen.bias',
        'split.rate_conv.0.weight',
        'split.rate_conv.2.weight',
    }


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_the_empty_band_trains_in_half_precision(dtype):
    block = AdaptiveFrequencyBlock(STAGE)
    with torch.no_grad():
        block.alpha.fill_(1)
    with torch.autocast('cpu', dtype):
        out = block(torch.randn(1, 8, 16, 16), Context(torch.rand(1, 3, 32, 32)))
    out.float().square().sum().backward()
    for name, weight in block.named_parameters():
        assert weight.grad is None or weight.grad.isfinite().all(), name


def test_keeps_its_contract_when_it_splits_the_bands():
    check_block(AdaptiveFrequencyBlock, mask='soft')


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match='heads=4 must divide the 6 channels'):
        AdaptiveFrequencyBlock(Stage(dim=6, heads=1))
