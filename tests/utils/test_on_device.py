import torch

from irbox.utils.on_device import constants, sent
from support.waits import Waits


def test_constants_are_made_where_they_are_needed():
    like = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    found = constants([1, 0.1, -3], like)
    assert torch.equal(found, torch.tensor([1, 0.1, -3], dtype=torch.float64))
    assert not found.requires_grad
    with Waits() as waits:
        assert constants([1, 2], torch.zeros(1, device='meta')).is_meta
    assert waits.found == []


def test_what_is_sent_has_the_type_of_its_place():
    found = sent(torch.tensor([1.0, 2.0]), torch.zeros(1, dtype=torch.bfloat16))
    assert found.dtype == torch.bfloat16
    assert found.tolist() == [1, 2]
