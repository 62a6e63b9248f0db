import pytest
import torch

from irbox.utils.precision import full_precision


def test_a_product_keeps_its_digits_inside_and_loses_them_again_outside():
    x = torch.full((1, 1), 1 + 2**-12)
    with torch.autocast('cpu', torch.bfloat16):
        with full_precision(x):
            inside = x @ x
        outside = x @ x
    assert inside.dtype == torch.float32 and inside.item() == pytest.approx(x.item() ** 2)
    assert outside.dtype == torch.bfloat16 and outside.item() == 1


def test_a_device_without_mixed_precision():
    with pytest.raises(RuntimeError):
        torch.autocast('meta', enabled=False)
    with full_precision(torch.empty(1, device='meta')):
        pass
