import pytest
import torch

from irbox.blocks import DDER
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage
from irbox.testing import check_block

ROUTER, EXPERT = {'type': 'PixelRouter'}, {'type': 'MLPExpert', 'ratio': 1.0}
STAGE = Stage(dim=8, heads=1)


def build(**options):
    return DDER(STAGE, ROUTER, EXPERT, **options)


@pytest.mark.parametrize('combine', ['sum', 'logexp'])
def test_adds_the_experts_answers_and_records_the_routing(combine):
    block = build(num_experts=3, top_k=2, combine=combine)
    x, context = torch.randn(2, 8, 5, 7), Context(torch.zeros(2, 3, 8, 8))
    out = block(x, context)
    (routing,) = context.routings
    answers = torch.stack([expert(x) for expert in block.mixture.experts], dim=1)
    weights = routing.weights.unsqueeze(2)
    if combine == 'sum':
        wanted = (weights * answers).sum(1)
    else:
        wanted = (weights * answers.exp()).sum(1).log()
    torch.testing.assert_close(out, x + wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('combine', ['sum', 'logexp'])
def test_keeps_its_contract_with_m2restores_router(combine):
    check_block(DDER, router={'type': 'NoisyTopKRouter'}, expert=EXPERT, combine=combine)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'top_k': 3}, 'top_k=3 must be between 1 and num_experts=2'),
        ({'top_k': 0}, 'DDER.top_k: 0 must be a whole number above 0'),
        ({'top_k': -1}, 'DDER.top_k: -1 must be a whole number above 0'),
        ({'combine': 'mean'}, "DDER.combine: 'mean' is unknown. Choose 'sum' or 'logexp'"),
    ],
)
def test_mistakes_are_refused(options, message):
    config = {'type': 'DDER', 'router': ROUTER, 'expert': EXPERT, 'num_experts': 2, **options}
    with pytest.raises(ValueError, match=message):
        BLOCKS.build(config, stage=STAGE)


def test_a_part_in_the_wrong_place_is_refused_by_name():
    with pytest.raises(ValueError, match="No router is called 'MLPExpert'.*PixelRouter"):
        DDER(STAGE, router=EXPERT, expert=EXPERT)
    with pytest.raises(ValueError, match="No expert is called 'PixelRouter'.*MLPExpert"):
        DDER(STAGE, router=ROUTER, expert=ROUTER)
