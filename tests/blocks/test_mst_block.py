import pytest
import torch

from irbox.blocks import MSTBlock
from irbox.structures import Context, Stage
from irbox.testing import check_block

CONTEXT = Context(torch.zeros(2, 3, 8, 8))


def test_adds_attention_then_feed_forward():
    block = MSTBlock(Stage(dim=8, heads=2))
    x = torch.randn(2, 8, 5, 7)
    after_attention = x + block.attn(block.norm1(x))
    wanted = after_attention + block.ffn(block.norm2(after_attention))
    torch.testing.assert_close(block(x, CONTEXT), wanted)


@pytest.mark.parametrize(
    ('dim', 'heads', 'hidden'), [(48, 1, 127), (96, 2, 255), (192, 4, 510), (384, 8, 1021)]
)
def test_parameter_counts(dim, heads, hidden):
    """MDTA, four 1x1 layers (three in MSA, with biases), Wd with bias, GDFN, two norms."""
    attention = 4 * dim**2 + 27 * dim + heads
    modulation = 3 * (dim**2 + dim) + 10 * dim
    feed_forward = 3 * hidden * dim + 18 * hidden
    found = sum(p.numel() for p in MSTBlock(Stage(dim, heads)).parameters())
    assert found == attention + modulation + feed_forward + 4 * dim


@pytest.mark.parametrize(
    'options', [{'mask_mode': 'multiply'}, {'separable': True, 'projection': False, 'ratio': 1.5}]
)
def test_keeps_its_contract_with_its_options(options):
    check_block(MSTBlock, **options)
