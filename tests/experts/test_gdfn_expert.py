import torch

from irbox.experts import GDFNExpert
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.testing import check_expert


def test_is_restormers_layer_at_ratio_one():
    expert, layer = GDFNExpert(8), GatedFeedForward(8, 1.0)
    layer.load_state_dict(expert.state_dict())
    x = torch.randn(2, 8, 5, 7)
    assert torch.equal(expert(x), layer(x))


def test_sees_the_whole_map_in_a_mixture():
    assert not MixtureOfExperts([GDFNExpert(8), GDFNExpert(8)]).pointwise


def test_keeps_its_contract_at_another_ratio():
    check_expert(GDFNExpert, ratio=2.0)
