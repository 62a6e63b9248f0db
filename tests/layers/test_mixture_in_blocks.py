"""Experts that get their pixels in blocks: the same answers and gradients, no size from numbers."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from irbox.experts import GatedExpert, MLPExpert
from irbox.layers import mixture_of_experts
from irbox.layers.mixture_in_blocks import BLOCK, can_mix_in_blocks, mix_in_blocks
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.top_k import top_k_weights
from irbox.structures import Routing

WAITING = {'nonzero', '_local_scalar_dense', 'masked_select', 'unique', '_unique2', 'equal'}


class Asked(TorchDispatchMode):
    """Notes operators for whose answer a host waits."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name.startswith('index') and any(
            one is not None and one.dtype in (torch.bool, torch.uint8)
            for given in args
            if isinstance(given, (list, tuple))
            for one in given
            if isinstance(one, torch.Tensor)
        )
        if name in WAITING or by_mask:
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


def routed(shape, count, top_k, dim=16, combine='sum', dtype=torch.float64):
    torch.manual_seed(0)
    mixture = MixtureOfExperts([MLPExpert(dim, 2.66) for _ in range(count)], combine).to(dtype)
    batch, height, width = shape
    x = torch.randn(batch, dim, height, width, dtype=dtype, requires_grad=True)
    scores = torch.randn(batch, count, height, width, dtype=dtype, requires_grad=True)
    return mixture, x, scores, top_k_weights(scores, top_k).to(dtype)


@pytest.mark.parametrize('combine', ['sum', 'logexp'])
@pytest.mark.parametrize(
    ('shape', 'count', 'top_k'),
    [((2, 17, 23), 4, 2), ((1, 40, 40), 6, 2), ((1, 5, 3), 3, 1), ((2, 9, 9), 5, 5)],
)
def test_the_same_as_one_expert_after_the_other(combine, shape, count, top_k):
    mixture, x, scores, weights = routed(shape, count, top_k, combine=combine)
    inputs = [x, scores, *mixture.parameters()]
    found = []
    for answer in (mixture.one_by_one(x, weights), mix_in_blocks(mixture, x, weights, top_k)):
        grads = torch.autograd.grad(answer.square().sum(), inputs, retain_graph=True)
        found.append([answer, *grads])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6 * other.abs().max().item())


@pytest.mark.parametrize('combine', ['sum', 'logexp'])
def test_experts_that_nobody_asks_and_pixels_that_ask_fewer(combine):
    """All pixels to one expert; weights of zero among the best K count for nothing."""
    mixture, x, _, _ = routed((1, 20, 20), 4, 2, combine=combine)
    weights = torch.zeros(1, 4, 20, 20, dtype=x.dtype)
    weights[:, 2] = 1
    weights.requires_grad_()
    answer = mix_in_blocks(mixture, x, weights, 2)
    torch.testing.assert_close(answer, mixture.experts[2](x), check_dtype=False)
    grads = torch.autograd.grad(answer.sum(), [x, weights, *mixture.parameters()])
    assert all(grad.isfinite().all() for grad in grads)
    unasked = list(mixture.experts[0].parameters())
    for weight, grad in zip(mixture.parameters(), grads[2:], strict=True):
        assert not any(weight is one for one in unasked) or not grad.any()


def test_gradients_of_gradients():
    mixture, x, scores, _ = routed((1, 2, 2), 3, 2, dim=4)
    torch.autograd.gradgradcheck(
        lambda x, scores: mix_in_blocks(mixture, x, top_k_weights(scores, 2).double(), 2).double(),
        [x, scores],
        eps=1e-3,
        atol=1e-2,
    )


def test_in_half_precision_as_near_as_one_by_one():
    mixture, x, _, weights = routed((2, 24, 24), 4, 2, dtype=torch.float32)
    exact = mixture.one_by_one(x, weights)
    with torch.autocast('cpu', torch.bfloat16):
        plain = mixture.one_by_one(x, weights)
        found = mix_in_blocks(mixture, x, weights, 2)
    assert found.dtype == torch.float32
    assert (found - exact).norm() <= 1.2 * (plain - exact).norm()


def test_sizes_do_not_depend_on_the_routing():
    mixture, x, _, weights = routed((1, 24, 24), 4, 2)
    with Asked() as asked:
        mix_in_blocks(mixture, x, weights, 2).sum().backward(retain_graph=True)
    assert not asked.waits
    with Asked() as asked:
        mixture.one_by_one(x, weights).sum().backward()
    assert asked.waits
    assert BLOCK < 24 * 24 * 2  # of several blocks


@pytest.mark.parametrize(('expert', 'top_k'), [(MLPExpert, 2), (GatedExpert, 2), (MLPExpert, None)])
def test_experts_that_learn_where_a_host_need_not_wait(expert, top_k, monkeypatch):
    """Experts of other kinds, and routers that do not say K, see the whole map."""
    monkeypatch.setenv('IRBOX_NATIVE', '0')
    torch.manual_seed(0)
    mixture = MixtureOfExperts([expert(6) for _ in range(3)])
    x, weights = torch.randn(1, 6, 8, 8), top_k_weights(torch.randn(1, 3, 8, 8), 2)
    routing = Routing(weights, torch.zeros(3), top_k=top_k)
    expected = mixture(x, routing)
    monkeypatch.setattr(mixture_of_experts, 'WAITLESS', ('cpu',))
    with Asked() as asked:
        found = mixture(x, routing)
    assert not asked.waits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    with torch.no_grad(), Asked() as asked:
        mixture(x, routing)
    assert asked.waits


def test_who_may():
    assert can_mix_in_blocks(MixtureOfExperts([MLPExpert(8) for _ in range(2)]))
    assert not can_mix_in_blocks(MixtureOfExperts([MLPExpert(8), MLPExpert(8, 2)]))
    assert not can_mix_in_blocks(MixtureOfExperts([GatedExpert(8), GatedExpert(8)]))
