import math

import pytest
import torch
from torch.nn import functional as F

from irbox.layers.top_k import top_k_weights
from irbox.registry import ROUTERS
from irbox.routers import NoisyTopKRouter, noisy_top_k_router
from irbox.structures import Context, DegradationPrior, Stage
from irbox.testing import check_router

STAGE = Stage(dim=6, heads=1, prior_dim=5, num_degradations=3, prompt_dim=7)
NUM, K = 4, 2
OFFICIAL = {
    'noise_mask': 'none',
    'noise_eps': 0.01,
    'alpha': 'scalar',
    'bias_in_prior': True,
    'load': 'official',
}


def build(stage=STAGE, num_experts=NUM, top_k=K, **options):
    router = NoisyTopKRouter(stage, num_experts, top_k, **options)
    with torch.no_grad():
        for weight in router.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return router


def context(batch=2):
    features = torch.randn(batch, 5)
    prior = DegradationPrior(features, torch.randn(batch, 3).softmax(1), features)
    return Context(torch.zeros(batch, 3, 8, 8), prior, torch.randn(batch, 7))


def by_hand(router, x, known):
    """Eq. 3-7 with every map laid out: score, S and sigma, each (B, N, H, W)."""
    batch, _, height, width = x.shape
    prompt = router.prompt(known.prompt)[:, :, None, None].expand(-1, -1, height, width)
    joint = torch.cat([x, prompt], dim=1)
    score = torch.einsum('bchw,nc->bnhw', joint, router.score.weight)
    bias = known.prior.probabilities @ router.prior_bias.weight.T
    if router.prior_bias.bias is not None:
        bias = bias + router.prior_bias.bias
    biased = score + (router.alpha * bias)[:, :, None, None]
    noise = torch.einsum('bchw,nc->bnhw', joint, router.noise.weight)
    return score, biased, F.softplus(noise) + router.noise_eps


@pytest.mark.parametrize('options', [{}, OFFICIAL, {'normalize': 'printed'}])
def test_evaluation_equals_the_equations(options):
    router, x, known = build(**options).eval(), torch.randn(2, 6, 3, 5), context()
    routing = router(x, known)
    _, biased, _ = by_hand(router, x, known)
    wanted = top_k_weights(biased, K, options.get('normalize', 'selected'))
    torch.testing.assert_close(routing.weights, wanted, atol=1e-5, rtol=1e-5)
    chosen = torch.zeros(NUM)
    for index in biased.topk(K, dim=1).indices.flatten():
        chosen[index] += 1
    torch.testing.assert_close(routing.load, chosen)


@pytest.mark.parametrize('options', [{}, OFFICIAL])
def test_training_adds_noise_as_strong_as_sigma(options, monkeypatch):
    router, x, known = build(**options).train(), torch.randn(2, 6, 3, 5), context()
    _, biased, sigma = by_hand(router, x, known)
    drawn = {}

    def record(name, draw):
        def call(*args, **named):
            drawn[name] = draw(*args, **named)
            return drawn[name]

        monkeypatch.setattr(noisy_top_k_router, name, call)

    record('normal_noise', noisy_top_k_router.normal_noise)
    record('coin_flips', noisy_top_k_router.coin_flips)
    routing = router(x, known)
    mask = drawn.get('coin_flips', torch.ones(2, 1, 1, NUM)).permute(0, 3, 1, 2)
    noise = drawn['normal_noise'].permute(0, 3, 1, 2)
    assert ('coin_flips' in drawn) == (router.noise_mask == 'bernoulli')
    wanted = top_k_weights(biased + mask * sigma * noise, K)
    torch.testing.assert_close(routing.weights, wanted, atol=1e-5, rtol=1e-5)


def test_the_mask_is_drawn_per_image_and_expert():
    router = build()
    mask = router._mask(torch.zeros(500, 2, 3, NUM))
    assert mask.shape == (500, 1, 1, NUM)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert abs(mask.mean().item() - 0.5) < 0.05  # 2000 draws: four and a half deviations
    assert len({tuple(row) for row in mask.flatten(1).tolist()}) == 2**NUM


def test_noise_strength_starts_even():
    router = NoisyTopKRouter(STAGE, NUM, K)
    assert not router.noise.weight.any()  # sigma = softplus(0) = log 2 at first
    _, _, sigma = by_hand(router, torch.randn(1, 6, 2, 2), context(1))
    torch.testing.assert_close(sigma, torch.full_like(sigma, math.log(2)))


@pytest.mark.parametrize('options', [{}, OFFICIAL])
def test_only_training_is_random(options):
    router, x, known = build(**options), torch.randn(2, 6, 6, 5), context()
    router.train()
    assert not torch.equal(router(x, known).weights, router(x, known).weights)
    router.eval()
    assert torch.equal(router(x, known).weights, router(x, known).weights)


@pytest.mark.parametrize(('alpha', 'shape'), [('vector', (NUM,)), ('scalar', (1,))])
def test_alpha(alpha, shape):
    router = NoisyTopKRouter(STAGE, NUM, K, alpha=alpha)
    assert router.alpha.shape == shape
    assert router.alpha.tolist() == [0.5] * shape[0]


@pytest.mark.parametrize(('bias', 'there'), [(False, False), (True, True)])
def test_bias_of_the_prior(bias, there):
    router = NoisyTopKRouter(STAGE, NUM, K, bias_in_prior=bias)
    assert (router.prior_bias.bias is not None) == there


@pytest.mark.parametrize('load', ['official', 'corrected'])
def test_smooth_load_equals_noisy_top_k_gating(load, monkeypatch):
    """P(n is among the best K when its noise alone is drawn again), pixel by pixel."""
    router = build(noise_mask='none', noise_eps=0.01, load=load).train()
    x, known = torch.randn(2, 6, 2, 3), context()
    noise = torch.randn(2, 2, 3, NUM)
    monkeypatch.setattr(noisy_top_k_router, 'normal_noise', lambda _: noise)
    routing = router(x, known)
    score, biased, sigma = by_hand(router, x, known)
    noisy = biased + sigma * noise.permute(0, 3, 1, 2)
    clean = score if load == 'official' else biased
    wanted = torch.zeros(NUM)
    for b in range(2):
        for i in range(2):
            for j in range(3):
                pixel = noisy[b, :, i, j]
                for n in range(NUM):
                    others = torch.cat([pixel[:n], pixel[n + 1 :]])
                    to_beat = others.sort(descending=True).values[K - 1]
                    z = (clean[b, n, i, j] - to_beat) / sigma[b, n, i, j]
                    wanted[n] += 0.5 * (1 + torch.erf(z / 2**0.5))
    torch.testing.assert_close(routing.load, wanted, atol=1e-4, rtol=1e-4)
    assert routing.load.requires_grad


def test_smooth_load_estimates_the_count():
    router = build(noise_mask='none', load='corrected').train()
    x, known = torch.randn(2, 6, 16, 16), context()
    loads = torch.stack([router(x, known).load for _ in range(20)]).mean(0)
    counts = torch.stack(
        [(router(x, known).weights > 0).sum((0, 2, 3)).float() for _ in range(20)]
    ).mean(0)
    torch.testing.assert_close(loads, counts, atol=0.01 * 512, rtol=0.05)


@pytest.mark.parametrize(
    ('stage', 'missing'),
    [
        (Stage(dim=6, heads=1, prior_dim=5, num_degradations=3), 'prompt'),
        (Stage(dim=6, heads=1, prompt_dim=7), 'prior'),
        (Stage(dim=6, heads=1), 'both'),
    ],
)
def test_a_missing_prompt_or_prior_leaves_its_term_out(stage, missing):
    router, x, known = build(stage).eval(), torch.randn(2, 6, 3, 5), context()
    if missing in ('prompt', 'both'):
        known.prompt = None
        score = torch.einsum('bchw,nc->bnhw', x, router.score.weight)
    else:
        prompt = router.prompt(known.prompt)[:, :, None, None].expand(-1, -1, 3, 5)
        score = torch.einsum('bchw,nc->bnhw', torch.cat([x, prompt], 1), router.score.weight)
    if missing in ('prior', 'both'):
        known.prior = None
    else:
        bias = router.alpha * router.prior_bias(known.prior.probabilities)
        score = score + bias[:, :, None, None]
    routing = router(x, known)
    torch.testing.assert_close(routing.weights, top_k_weights(score, K), atol=1e-5, rtol=1e-5)


def test_official_parameter_counts():
    stages = [Stage(48 * 2**i, 1, 512, 6, 256) for i in range(3)]
    routers = [NoisyTopKRouter(stage, 6, 2, **OFFICIAL) for stage in stages]
    counts = [sum(p.numel() for p in router.parameters()) for router in routers]
    # fc 256 -> C with bias, two 2C x 6 matrices, 6 x 6 with bias, one coefficient.
    assert counts == [257 * c + 24 * c + 42 + 1 for c in (48, 96, 192)]


@pytest.mark.parametrize('load', ['count', 'corrected', 'official'])
def test_keeps_its_contract(load):
    check_router(NoisyTopKRouter, load=load)


def test_keeps_its_contract_as_published_and_with_all_experts():
    check_router(NoisyTopKRouter, **OFFICIAL)
    check_router(NoisyTopKRouter, num_experts=3, top_k=3)


@pytest.mark.parametrize(
    ('option', 'value'),
    [('noise_mask', 'half'), ('alpha', 'matrix'), ('normalize', 'none'), ('load', 'sum')],
)
def test_unknown_choices_are_refused(option, value):
    with pytest.raises(ValueError, match=f"{option}: '{value}' is unknown. .*Choose '"):
        config = {'type': 'NoisyTopKRouter', option: value}
        ROUTERS.build(config, stage=STAGE, num_experts=NUM, top_k=K)
