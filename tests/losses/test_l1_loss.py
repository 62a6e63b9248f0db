import torch

from irbox.losses import L1Loss
from irbox.structures import Context


def test_mean_of_the_absolute_differences():
    target = torch.zeros(1, 3, 1, 2)
    restored = torch.tensor([0.1, -0.2, 0.3, 0.4, -0.5, 0.0]).view(1, 3, 1, 2)
    value = L1Loss(weight=2.0)(restored, target, Context(target))
    torch.testing.assert_close(value, torch.tensor(2 * 1.5 / 6))
