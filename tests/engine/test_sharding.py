"""Shared-out weights, seen in one process; ``tests/tools/test_fsdp2.py`` starts several."""

import copy

import pytest
import torch
from torch import nn

from irbox.blocks import DDER
from irbox.engine.sharding import blocks_of, recompute_blocks, shard, whole
from irbox.losses import BalanceLoss
from irbox.structures import Context, Stage


class TwoRouters(nn.Module):
    """Two routed blocks, guided by a prompt that has a gradient."""

    def __init__(self):
        super().__init__()
        stage = Stage(dim=8, heads=1, prompt_dim=4)
        router, expert = {'type': 'NoisyTopKRouter'}, {'type': 'MLPExpert', 'ratio': 1.0}
        self.prompt = nn.Linear(3, 4)
        self.blocks = nn.ModuleList(DDER(stage, router, expert) for _ in range(2))

    def forward(self, image):
        x = image.mean(1, keepdim=True).expand(-1, 8, -1, -1)
        context = Context(image, prompt=self.prompt(image.mean((2, 3))))
        return self.blocks[1](self.blocks[0](x, context), context=context), context


@pytest.mark.parametrize('recomputed', [False, True])
def test_what_blocks_record_reaches_the_losses(group, recomputed):
    """FSDP copies dataclasses that hold gradients; a context has to come through as it is."""
    model = TwoRouters()
    plain = copy.deepcopy(model)
    if recomputed:
        recompute_blocks(model)
    assert len(list(blocks_of(model))) == 2
    shard(model)
    image, gradients = torch.rand(2, 3, 8, 8), []
    for one in (plain, model):
        torch.manual_seed(0)
        restored, context = one(image)
        assert len(context.routings) == 2
        (BalanceLoss()(restored, image, context) + restored.square().mean()).backward()
        gradients.append(
            {name: whole(weight.grad) for name, weight in one.named_parameters()},
        )
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)
