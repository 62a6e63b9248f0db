import torch

from irbox.experts import MLPExpert
from irbox.testing import check_expert


def test_is_two_layers_on_each_pixel():
    expert = MLPExpert(6, ratio=1.5)
    x = torch.randn(2, 6, 3, 4)
    out = expert(x)
    pixel = expert.fc1.weight @ x[1, :, 2, 3] + expert.fc1.bias
    pixel = pixel * 0.5 * (1 + torch.erf(pixel / 2**0.5))
    wanted = expert.fc2.weight @ pixel + expert.fc2.bias
    torch.testing.assert_close(out[1, :, 2, 3], wanted, atol=1e-6, rtol=1e-5)


def test_width_is_rounded_down():
    assert MLPExpert(48).fc1.out_features == 127
    assert MLPExpert(384, ratio=1.5).fc1.out_features == 576


def test_takes_no_pixels():
    assert MLPExpert(6)(torch.empty(1, 6, 0, 1)).shape == (1, 6, 0, 1)


def test_keeps_its_contract_at_another_width():
    check_expert(MLPExpert, dim=5, ratio=0.5)
