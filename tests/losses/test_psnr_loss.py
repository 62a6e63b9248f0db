import math

import pytest
import torch

from irbox.evaluation import score
from irbox.losses import PSNRLoss
from irbox.structures import Context


def test_mean_over_images_of_the_logarithm_of_the_error():
    target = torch.zeros(2, 3, 4, 5)
    restored = torch.stack([torch.full((3, 4, 5), 0.1), torch.full((3, 4, 5), 0.5)])
    value = PSNRLoss(weight=3.0)(restored, target, Context(target)).item()
    wanted = 3 * (math.log(0.01 + 1e-4) + math.log(0.25 + 1e-4)) / 2
    assert value == pytest.approx(wanted, rel=1e-5)


def test_is_minus_the_score_up_to_a_factor():
    target, restored = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    value = PSNRLoss(eps=0.0)(restored, target, Context(target)).item()
    wanted = -score(restored, target)['psnr'].mean().item() * math.log(10) / 10
    assert value == pytest.approx(wanted, rel=1e-5)
