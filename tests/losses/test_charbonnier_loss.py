import pytest
import torch

from irbox.losses import CharbonnierLoss
from irbox.structures import Context

TARGET = torch.zeros(1, 3, 1, 2)
RESTORED = torch.tensor([0.1, -0.2, 0.3, 0.4, -0.5, 0.0]).view(1, 3, 1, 2)


def judge(restored, **options):
    return CharbonnierLoss(**options)(restored, TARGET, Context(TARGET))


def test_mean_over_values():
    errors = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0]
    wanted = sum((e**2 + 0.01**2) ** 0.5 for e in errors) / 6
    assert judge(RESTORED, weight=2.0, eps=0.01).item() == pytest.approx(2 * wanted)


def test_mean_over_pixels():
    # Pixels (0.1, 0.3, -0.5) and (-0.2, 0.4, 0).
    wanted = ((0.35 + 1e-6) ** 0.5 + (0.2 + 1e-6) ** 0.5) / 2
    assert judge(RESTORED, per_pixel=True).item() == pytest.approx(wanted)


def test_is_eps_with_a_gradient_of_zero_where_nothing_is_wrong():
    restored = TARGET.clone().requires_grad_()
    value = judge(restored)
    assert value.item() == pytest.approx(1e-3)
    value.backward()
    assert not restored.grad.any()
