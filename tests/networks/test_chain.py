import torch
from torch import nn

from irbox.networks.chain import Chain
from irbox.structures import Context


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x, context):
        context.routings.append(self.factor)
        return self.factor * x + 1


def test_runs_in_order_with_one_context():
    context = Context(torch.zeros(1))
    assert Chain([Times(2), Times(3)])(torch.tensor(1.0), context).item() == 10
    assert context.routings == [2, 3]


def test_an_empty_chain_is_the_identity():
    x = torch.randn(2)
    assert Chain()(x, Context(x)) is x
