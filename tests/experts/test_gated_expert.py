import torch

from irbox.experts import GatedExpert, MLPExpert
from irbox.testing import check_expert


def test_one_half_gates_the_other():
    expert = GatedExpert(6)
    x = torch.randn(2, 6, 3, 4)
    out = expert(x)
    gate, value = (expert.fc1.weight @ x[1, :, 2, 3] + expert.fc1.bias).chunk(2)
    gate = gate * 0.5 * (1 + torch.erf(gate / 2**0.5))
    wanted = expert.fc2.weight @ (gate * value) + expert.fc2.bias
    torch.testing.assert_close(out[1, :, 2, 3], wanted, atol=1e-6, rtol=1e-5)


def test_has_the_weights_of_a_perceptron_of_ratio_one_and_a_half():
    def matrices(expert):
        return sum(p.numel() for p in expert.parameters() if p.ndim == 2)

    assert matrices(GatedExpert(48)) == matrices(MLPExpert(48, ratio=1.5)) == 3 * 48**2


def test_takes_no_pixels():
    assert GatedExpert(6)(torch.empty(1, 6, 0, 1)).shape == (1, 6, 0, 1)


def test_keeps_its_contract_at_another_width():
    check_expert(GatedExpert, dim=5, ratio=1.5)
