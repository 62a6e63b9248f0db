import pytest
import torch
from torch import distributed as dist

from irbox.losses import BalanceLoss
from irbox.registry import LOSSES
from irbox.structures import Context, Routing

IMAGE = torch.zeros(1, 3, 2, 2)


def judge(routings, **options):
    context = Context(IMAGE, routings=routings)
    return BalanceLoss(**options)(IMAGE, IMAGE, context)


def routing(amounts, load=None):
    """Each expert's sum over pixels is its amount."""
    weights = torch.tensor(amounts).view(1, -1, 1, 1).expand(1, -1, 2, 2) / 4
    weights = weights.clone().requires_grad_()
    return Routing(weights, torch.tensor(amounts if load is None else load))


def test_zero_when_every_expert_gets_the_same():
    assert judge([routing([3.0, 3.0, 3.0])]).item() == 0


def test_equals_the_formula_with_the_unbiased_variance():
    # Weight 1, 2, 6: mean 3, squares of deviations 4 + 1 + 9 = 14, over N - 1 = 2: 7; 7 / 9.
    # Load 0, 4, 2: mean 2, 4 + 4 + 0 = 8, over 2: 4; 4 / 4.
    value = judge([routing([1.0, 2.0, 6.0], [0.0, 4.0, 2.0])], weight=1.0)
    assert value.item() == pytest.approx(7 / 9 + 1)


def test_one_hot_gives_the_number_of_experts_twice():
    assert judge([routing([8.0, 0.0, 0.0, 0.0])], weight=1.0).item() == pytest.approx(8)


def test_sums_over_the_routers_and_scales_by_its_weight():
    routings = [routing([1.0, 2.0, 6.0], [0.0, 4.0, 2.0]), routing([1.0, 1.0, 1.0])]
    assert judge(routings * 2, weight=0.01).item() == pytest.approx(0.02 * (7 / 9 + 1))


def test_judges_the_scores_in_place_of_the_weights_where_there_are_some():
    one = routing([1.0, 1.0, 7.0], [2.0, 2.0, 2.0])
    other = routing([1.0, 2.0, 6.0])
    judged = Routing(one.weights, one.load, scores=other.weights)
    value = judge([judged], weight=1.0)
    assert value.item() == pytest.approx(7 / 9)
    value.backward()
    assert other.weights.grad.any() and one.weights.grad is None


def test_printed_has_the_deviation_in_place_of_the_variance():
    value = judge([routing([1.0, 2.0, 6.0], [0.0, 4.0, 2.0])], weight=1.0, variant='printed')
    assert value.item() == pytest.approx(7**0.5 / 9 + 4**0.5 / 4)
    assert judge([routing([3.0, 3.0])], variant='printed').item() == 0


def test_printed_vanishes_with_the_number_of_pixels():
    few = routing([1.0, 2.0, 6.0])
    many = Routing(few.weights.repeat(1, 1, 10, 10), 100 * few.load)
    torch.testing.assert_close(
        judge([many], variant='printed'), judge([few], variant='printed') / 100
    )


def test_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="variant: 'cv' is unknown. Did you mean 'cv2'"):
        LOSSES.build({'type': 'BalanceLoss', 'variant': 'cv'})


def test_does_not_depend_on_the_number_of_pixels():
    few = routing([1.0, 2.0, 6.0])
    many = Routing(few.weights.repeat(3, 1, 5, 5), 75 * few.load)
    torch.testing.assert_close(judge([few]), judge([many]))


def test_a_single_expert_is_balanced():
    assert judge([routing([5.0])]).item() == 0


def test_the_gradient_moves_weight_to_where_there_is_little():
    one = routing([1.0, 2.0, 6.0])
    judge([one]).backward()
    gradient = one.weights.grad[0, :, 0, 0]
    assert gradient[0] < 0 < gradient[2]


def test_no_routing_is_a_mistake_with_a_remedy():
    with pytest.raises(ValueError, match='found no routing.*balance: null'):
        judge([])


def test_a_routing_without_a_gradient_is_a_mistake_in_training_only():
    dead = routing([1.0, 2.0])
    dead = Routing(dead.weights.detach(), dead.load)
    with pytest.raises(RuntimeError, match='weights of routing 1 carry no gradient'):
        judge([routing([1.0, 2.0]), dead])
    with torch.no_grad():
        assert judge([dead]) > 0


def test_half_precision_weights_are_summed_in_float32():
    weights = torch.full((1, 2, 400, 400), 0.5, dtype=torch.float16).requires_grad_()
    value = judge([Routing(weights, torch.tensor([1.0, 1.0]))])
    assert value.item() == 0  # 80,000 does not fit into half precision


def test_the_batch_of_all_processes_is_judged_as_one(monkeypatch):
    """Its value, and its gradient once that of the processes is averaged."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.rand(2, 3, 4, 4, generator=generator) for _ in range(2)]

    def loss(weights, other=None):
        weights = weights.clone().requires_grad_()
        load = weights.square().sum((0, 2, 3))
        monkeypatch.setattr(dist, 'is_initialized', lambda: other is not None)
        monkeypatch.setattr(dist, 'get_world_size', lambda: 2)

        def add_the_other(tensor):
            tensor += torch.cat([other.sum((0, 2, 3)), other.square().sum((0, 2, 3))])

        monkeypatch.setattr(dist, 'all_reduce', add_the_other)
        value = judge([Routing(weights, load)], weight=1.0)
        value.backward()
        return value.item(), weights.grad

    whole, gradient = loss(torch.cat(parts))
    found = [loss(parts[0], parts[1]), loss(parts[1], parts[0])]
    assert [value for value, _ in found] == pytest.approx([whole, whole])
    torch.testing.assert_close(torch.cat([grad for _, grad in found]) / 2, gradient)


def test_processes_may_be_judged_one_by_one(monkeypatch):
    monkeypatch.setattr(dist, 'is_initialized', lambda: True)
    monkeypatch.setattr(dist, 'all_reduce', None)
    value = judge([routing([1.0, 2.0, 6.0], [2.0, 2.0, 2.0])], weight=1.0, over='process')
    assert value.item() == pytest.approx(7 / 9)
