import torch
from torch import nn

from irbox.networks.chain import Chain
from irbox.networks.way_down import way_down
from irbox.structures import Context, Features


class Plus(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x, context):
        return x + self.number


def test_levels_run_in_order_and_what_they_found_is_kept_and_recorded():
    context = Context(torch.zeros(1, 3, 8, 8), records=[])
    encoders = [Chain([Plus(1), Plus(2)]), Chain([Plus(10)])]
    downs = [nn.AvgPool2d(2), nn.AvgPool2d(2)]
    x, skips = way_down(torch.zeros(1, 1, 8, 8), encoders, downs, context)
    assert x.shape == (1, 1, 2, 2) and (x == 13).all()
    assert [tuple(one.shape[2:]) for one in skips] == [(8, 8), (4, 4)]
    assert [one.unique().item() for one in skips] == [3, 13]
    records = [one for one in context.records if isinstance(one, Features)]
    assert [one.place for one in records] == ['encoder 1', 'encoder 2']
    assert all(one.values is skip for one, skip in zip(records, skips, strict=True))
