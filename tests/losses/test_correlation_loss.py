"""The loss is what numpy's correlation says."""

import numpy as np
import pytest
import torch

from irbox.losses import CorrelationLoss
from irbox.structures import Context
from irbox.testing import check_loss


def test_promises():
    check_loss(CorrelationLoss)


def test_it_is_the_correlation_of_each_image():
    restored, target = torch.rand(3, 3, 6, 7), torch.rand(3, 3, 6, 7)
    found = CorrelationLoss(weight=2.0, eps=0.0)(restored, target, Context(target)).item()
    each = [
        np.corrcoef(x.flatten(), y.flatten())[0, 1]
        for x, y in zip(restored.numpy(), target.numpy(), strict=True)
    ]
    assert found == pytest.approx(2 * np.mean((1 - np.array(each)) / 2), rel=1e-5)


def test_brightness_and_contrast_do_not_matter():
    target = torch.rand(2, 3, 8, 8)
    assert CorrelationLoss()(0.2 + 0.5 * target, target, Context(target)).item() < 1e-5
    assert CorrelationLoss()(1 - target, target, Context(target)).item() == pytest.approx(1)


def test_a_flat_image_is_uncorrelated():
    target = torch.rand(1, 3, 8, 8)
    flat = torch.full_like(target, 0.5).requires_grad_()
    loss = CorrelationLoss()(flat, target, Context(target))
    loss.backward()
    assert loss.item() == pytest.approx(0.5, abs=1e-3) and flat.grad.isfinite().all()
