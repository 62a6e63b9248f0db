import math

import pytest
import torch
from torch.nn import functional as F

from irbox.losses import BalanceLoss
from irbox.registry import ROUTERS
from irbox.routers import ContextualPriorRouter
from irbox.structures import Context, DegradationPrior, Stage
from irbox.testing import check_router

STAGE = Stage(dim=8, heads=2, prior_dim=5, num_degradations=3)
BARE = Stage(dim=4, heads=1)
NUM, K = 4, 2
E = math.e


def build(stage=STAGE, num_experts=NUM, top_k=K, **options):
    router = ContextualPriorRouter(stage, num_experts, top_k, **options)
    with torch.no_grad():
        for weight in router.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return router


def context(batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = F.normalize(torch.randn(batch, 5, generator=generator), dim=1)
    probabilities = torch.randn(batch, 3, generator=generator).softmax(1)
    return Context(torch.zeros(batch, 3, 8, 8), DegradationPrior(features, probabilities, features))


def given_logits(logits, **options):
    """A router without a prior whose scores before the softmax are these, (B, 4, H, W)."""
    router = ContextualPriorRouter(BARE, NUM, K, **options).eval()
    router.norm = torch.nn.Identity()
    router.score.weight.data = torch.eye(4).view(4, 4, 1, 1)
    return router(logits, Context(torch.zeros(len(logits), 3, 8, 8)))


def test_equals_the_equations():
    router, x, known = build().eval(), torch.randn(2, 8, 4, 6), context()
    routing = router(x, known)
    belief = torch.cat([known.prior.features, known.prior.probabilities], 1) @ router.embed.weight.T
    located = router.project(router.attend(belief[:, :, None, None].expand(2, 8, 4, 6), x))
    joint = torch.cat([located, router.norm(x)], dim=1)
    logits = torch.einsum('bchw,nc->bnhw', joint, router.score.weight[..., 0, 0])
    scores = logits.softmax(1)
    both = torch.cat([scores, torch.ones(2, 1, 4, 6)], dim=1).softmax(1)
    torch.testing.assert_close(routing.scores, scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(routing.shared, both[:, 4:], atol=1e-5, rtol=1e-5)
    # Eq. 5 to the letter: the best K + 1 of all five, of which the shared one is always one.
    best, index = both.topk(K + 1, dim=1)
    assert (index == NUM).any(1).all()
    printed = torch.zeros_like(both).scatter(1, index, best)
    torch.testing.assert_close(routing.weights, printed[:, :NUM], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('top_k', [1, 2, 3, 4])
def test_weights_lie_in_their_ranges_and_the_shared_expert_is_everywhere(top_k):
    torch.manual_seed(1)
    router = build(top_k=top_k)
    for scale in (0.0, 0.1, 1.0, 100.0):
        routing = router(scale * torch.randn(2, 8, 16, 16), context())
        assert ((routing.weights > 0).sum(1) == top_k).all()
        kept = routing.weights[routing.weights > 0]
        # s' is one-hot at one end, uniform at the other.
        assert kept.min() >= 1 / (2 * E + 3) - 1e-6
        assert kept.max() <= E / (2 * E + 3) + 1e-6
        assert routing.shared.min() >= E / (2 * E + 3) - 1e-6
        assert routing.shared.max() <= E / (E + 4 * math.exp(0.25)) + 1e-6


def test_the_ends_of_the_ranges_by_hand():
    even = given_logits(torch.zeros(1, 4, 1, 1))
    one_hot = given_logits(torch.tensor([100.0, 50, 0, 0]).view(1, 4, 1, 1))
    assert even.shared.item() == pytest.approx(0.3461, abs=1e-4)
    assert sorted(even.weights.flatten().tolist())[2:] == pytest.approx([0.1635] * 2, abs=1e-4)
    assert one_hot.shared.item() == pytest.approx(0.3222, abs=1e-4)
    weights = one_hot.weights.flatten().tolist()
    assert weights == pytest.approx([0.3222, 0.1185, 0, 0], abs=1e-4)


def test_single_softmax_shares_one_among_the_kept():
    routing = given_logits(torch.log(torch.tensor([4.0, 1, 2, 3])).view(1, 4, 1, 1))
    single = given_logits(
        torch.log(torch.tensor([4.0, 1, 2, 3])).view(1, 4, 1, 1), score_mode='single'
    )
    torch.testing.assert_close(single.scores, routing.scores)
    assert single.weights.flatten().tolist() == pytest.approx([4 / 7, 0, 0, 3 / 7])
    assert single.shared.item() == 1


def test_the_second_softmax_without_the_shared_expert():
    scores = torch.tensor([0.4, 0.1, 0.2, 0.3])
    logits = scores.log().view(1, 4, 1, 1)
    routing = given_logits(logits, shared_score=False)
    total = sum(math.exp(s) for s in scores.tolist())
    wanted = [math.exp(0.4) / total, 0, 0, math.exp(0.3) / total]
    assert routing.weights.flatten().tolist() == pytest.approx(wanted)
    assert routing.shared.item() == 1
    torch.testing.assert_close(routing.scores, given_logits(logits).scores)


def test_balance_is_zero_where_all_experts_get_the_same():
    # Each of four pixels prefers other experts, in turn.
    ranks = torch.tensor([3.0, 2.0, 1.0, 0.0])
    logits = torch.stack([ranks.roll(n) for n in range(4)], dim=1).view(1, 4, 2, 2)
    routing = given_logits(logits)
    assert routing.load.tolist() == [2, 2, 2, 2]
    image = torch.zeros(1, 3, 4, 4)
    with torch.no_grad():
        value = BalanceLoss(weight=1.0)(image, image, Context(image, routings=[routing]))
    assert value.item() == pytest.approx(0, abs=1e-9)


def test_the_load_counts_and_has_no_gradient():
    routing = build()(torch.randn(2, 8, 5, 7), context())
    assert routing.load.tolist() == (routing.weights > 0).sum((0, 2, 3)).tolist()
    assert not routing.load.requires_grad and routing.scores.requires_grad


def test_straight_through_counts_with_the_gradient_of_the_scores():
    router = build(load='straight_through')
    routing = router(torch.randn(2, 8, 5, 7), context())
    counted = (routing.weights > 0).sum((0, 2, 3)).float()
    torch.testing.assert_close(routing.load, counted)
    factors = torch.randn(NUM)
    weight = router.score.weight
    (ours,) = torch.autograd.grad((routing.load * factors).sum(), weight, retain_graph=True)
    (wanted,) = torch.autograd.grad((routing.scores.sum((0, 2, 3)) * factors).sum(), weight)
    torch.testing.assert_close(ours, wanted)


def test_noisy_top_k_draws_in_training_only_and_estimates_the_load():
    router, x, known = build(load='noisy_topk'), torch.randn(2, 8, 5, 7), context()
    first, second = router(x, known), router(x, known)
    assert not torch.equal(first.weights, second.weights)
    assert first.load.requires_grad
    # Close to what is selected, whatever the draw.
    assert first.load.sum().item() == pytest.approx(K * 70, rel=0.15)
    router.eval()
    calm = router(x, known)
    assert torch.equal(calm.weights, router(x, known).weights)
    assert calm.load.tolist() == (calm.weights > 0).sum((0, 2, 3)).tolist()


def test_without_a_prior_the_features_decide():
    router, x = build(BARE), torch.randn(1, 4, 3, 3)
    assert router.embed is None
    routing = router(x, Context(torch.zeros(1, 3, 8, 8)))
    logits = torch.einsum('bchw,nc->bnhw', router.norm(x), router.score.weight[..., 0, 0])
    torch.testing.assert_close(routing.scores, logits.softmax(1))


def test_the_prior_reaches_each_pixel_in_its_own_way():
    router, x = build().eval(), torch.randn(1, 8, 6, 6)
    one, other = (router(x, context(1, seed)).scores for seed in (0, 1))
    change = (one - other).abs().amax(1)
    assert change.max() > 1e-3
    assert change.std() > 0


def test_the_prior_is_learned_only_with_a_norm_per_head():
    """A query that is the same everywhere loses all but its signs to a norm per channel."""
    ratio = {}
    for query_norm in ('head', 'channel'):
        torch.manual_seed(0)
        router = ContextualPriorRouter(STAGE, NUM, K, query_norm=query_norm)
        routing = router(torch.randn(2, 8, 24, 24), context())
        (routing.weights * torch.randn_like(routing.weights)).sum().backward()
        ratio[query_norm] = router.embed.weight.grad.norm() / router.project.weight.grad.norm()
    assert ratio['head'] > 0.01
    assert ratio['channel'] < 1e-5


@pytest.mark.parametrize(
    'options',
    [
        {'score_mode': 'single'},
        {'load': 'straight_through'},
        {'load': 'noisy_topk'},
        {'query_norm': 'channel'},
        {'top_k': 4},
        {'num_experts': 8, 'top_k': 1},
    ],
)
def test_keeps_its_contract_with_its_options(options):
    check_router(ContextualPriorRouter, **options)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'score_mode': 'triple'},
            "score_mode: 'triple' is unknown. Choose 'double_softmax' or",
        ),
        ({'load': 'soft'}, "load: 'soft' is unknown"),
        ({'query_norm': 'none'}, "query_norm: 'none' is unknown"),
    ],
)
def test_unknown_options_are_refused(options, message):
    config = {'type': 'ContextualPriorRouter', **options}
    with pytest.raises(ValueError, match=message):
        ROUTERS.build(config, stage=STAGE, num_experts=4, top_k=2)
