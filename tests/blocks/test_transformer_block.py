import torch

from irbox.blocks import TransformerBlock
from irbox.structures import Context, Stage
from irbox.testing import check_block

CONTEXT = Context(torch.zeros(2, 3, 8, 8))


def test_adds_attention_then_feed_forward():
    block = TransformerBlock(Stage(dim=8, heads=2))
    x = torch.randn(2, 8, 5, 7)
    after_attention = x + block.attn(block.norm1(x))
    wanted = after_attention + block.ffn(block.norm2(after_attention))
    torch.testing.assert_close(block(x, CONTEXT), wanted)


def test_restormers_parameter_counts():
    def count(dim, heads):
        return sum(p.numel() for p in TransformerBlock(Stage(dim, heads)).parameters())

    # 4 C^2 + 27 C + heads + 3 g C + 18 g + 4 C, with g = int(2.66 C).
    for dim, heads, hidden in ((48, 1, 127), (96, 2, 255), (192, 4, 510), (384, 8, 1021)):
        wanted = 4 * dim**2 + 27 * dim + heads + 3 * hidden * dim + 18 * hidden + 4 * dim
        assert count(dim, heads) == wanted


def test_keeps_its_contract_at_another_ratio():
    check_block(TransformerBlock, ratio=1.5)


def test_biases_are_in_every_convolution_on_request():
    block = TransformerBlock(Stage(dim=48, heads=1), ratio=2.0, bias=True)
    # 7 C in attention, 4 g + C in the feed-forward layer; MoCE-IR's refinement has four of these.
    assert 4 * sum(p.numel() for p in block.parameters()) == 108_100
    check_block(TransformerBlock, bias=True)


def test_norms_without_a_bias_do_not_subtract_the_mean():
    block = TransformerBlock(Stage(dim=48, heads=1), norm_bias=False)
    with_bias = TransformerBlock(Stage(dim=48, heads=1))
    missing = set(with_bias.state_dict()) - set(block.state_dict())
    assert missing == {'norm1.bias', 'norm2.bias'}
    x = 5 + torch.randn(2, 48, 6, 7)
    wanted = x / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(block.norm1(x), wanted)
    check_block(TransformerBlock, norm_bias=False)
