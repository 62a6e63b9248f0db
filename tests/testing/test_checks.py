"""The checks find what they promise to find, and say what to do."""

import random

import pytest
import torch
from torch import nn

from irbox.experts import MLPExpert
from irbox.losses import L1Loss
from irbox.priors import FrozenRandomPrior, PromptBank
from irbox.routers import PixelRouter
from irbox.structures import DegradationPrior, Routing
from irbox.testing import check_block, check_expert, check_loss, check_prior, check_router


class Scale(nn.Module):
    """A good expert, for worse ones to inherit from."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x):
        return self.weight * x


class Shrinks(Scale):
    def forward(self, x):
        return super().forward(x)[..., ::2]


class Doubles(Scale):
    def forward(self, x):
        return super().forward(x).double()


class NeedsEvenSizes(Scale):
    def forward(self, x):
        assert x.shape[-1] % 2 == 0, 'only even sizes'
        return super().forward(x)


class Divides(Scale):
    def forward(self, x):
        return super().forward(x) / (x - x.mean((2, 3), keepdim=True))


class RandomInEvaluation(Scale):
    def forward(self, x):
        return super().forward(x) + torch.randn_like(x)


class InPlace(Scale):
    def forward(self, x):
        x += 1
        return super().forward(x)


class Keeps(Scale):
    def forward(self, x):
        self.last = super().forward(x)
        return self.last


class KeepsList(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.seen = []

    def forward(self, x):
        self.seen.append(1)
        return super().forward(x)


class Counts(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.register_buffer('calls', torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


class MixesTheBatch(Scale):
    def forward(self, x):
        return super().forward(x) - x.mean((0, 2, 3), keepdim=True)


class Unused(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.idle = nn.Linear(2, 2)


class Detached(Scale):
    def forward(self, x):
        return super().forward(x).detach()


class NoEffect(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.nothing = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return super().forward(x) + 0 * self.nothing


class InfiniteGradient(Scale):
    def forward(self, x):
        return super().forward(x) + (self.weight * 0 * x).abs().sqrt()


class LosesPrecision(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.linear = nn.Conv2d(dim, dim, 1, bias=False)
        nn.init.eye_(self.linear.weight.data[..., 0, 0])

    def forward(self, x):
        return super().forward(x) + (self.linear(x + 1000) - self.linear(torch.full_like(x, 1000)))


class NotInTheState(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.shift = random.random()

    def forward(self, x):
        return super().forward(x) + self.shift


class AsksForValues(Scale):
    def forward(self, x):
        return super().forward(x) if x.sum().item() else x


class NotPointwise(Scale):
    pointwise = True

    def forward(self, x):
        return super().forward(x) + x.roll(1, 3)


@pytest.mark.parametrize(
    ('expert', 'text'),
    [
        (Shrinks, 'Shrinks gives .* Experts and blocks keep the shape'),
        (Doubles, 'Doubles gives torch.float64 for torch.float32'),
        (NeedsEvenSizes, 'only even sizes'),
        (Divides, 'Divides gives output that is not finite'),
        (RandomInEvaluation, 'RandomInEvaluation gives another output when called again'),
        (InPlace, 'InPlace changes its input x in place'),
        (Keeps, 'Keeps keeps last from its last call'),
        (KeepsList, 'KeepsList keeps seen from its last call'),
        (Counts, 'Counts changes its buffer calls'),
        (MixesTheBatch, 'MixesTheBatch gives an image another output in a batch than alone'),
        (Unused, 'Unused never gives a gradient to idle.bias, idle.weight'),
        (Detached, 'Detached gives an answer without a gradient'),
        (NoEffect, 'NoEffect always gives a zero gradient to nothing'),
        (InfiniteGradient, 'InfiniteGradient gives weight a gradient that is not finite'),
        (LosesPrecision, 'LosesPrecision under automatic mixed precision'),
        (NotInTheState, 'NotInTheState gives another output after its state dict was loaded'),
        (AsksForValues, 'AsksForValues cannot run on the meta device'),
        (NotPointwise, 'NotPointwise declares pointwise = True'),
    ],
)
def test_a_broken_promise_is_named(expert, text):
    with pytest.raises(AssertionError, match=text):
        check_expert(expert)


def test_a_good_expert_passes_and_the_seed_stays():
    before = torch.get_rng_state()
    check_expert(Scale)
    assert torch.equal(before, torch.get_rng_state())


def test_expected_exceptions_must_be_true():
    check_expert(Unused, no_gradient=('idle.weight', 'idle.bias'))
    with pytest.raises(AssertionError, match='was said to give no gradient to weight'):
        check_expert(Scale, no_gradient=('weight',))


class NeedsPrior(nn.Module):
    """A block that fails late in a network without a prior."""

    def __init__(self, stage):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x, context):
        return self.scale * x * context.prior.probabilities[:, :1, None, None]


class RefusesNoPrior(NeedsPrior):
    def __init__(self, stage):
        super().__init__(stage)
        if not stage.prior_dim:
            raise ValueError('RefusesNoPrior needs a network with a prior.')


def test_blocks_that_need_a_prior_must_say_so():
    check_block(RefusesNoPrior)
    with pytest.raises(AssertionError, match='NeedsPrior fails in a network without prior'):
        check_block(NeedsPrior)


class RecordsNonsense(NeedsPrior):
    def forward(self, x, context):
        context.record(Routing(weights=torch.ones(1, 4, 2, 2), load=torch.ones(4)))
        return self.scale * x


def test_recorded_routings_are_looked_at():
    with pytest.raises(AssertionError, match='RecordsNonsense routes by weights'):
        check_block(RecordsNonsense)


class Negative(PixelRouter):
    def forward(self, x, context):
        routing = super().forward(x, context)
        return Routing(weights=-routing.weights, load=routing.load)


class Everyone(PixelRouter):
    def forward(self, x, context):
        weights = self.score(x).softmax(1).float()
        return Routing(weights=weights, load=weights.sum((0, 2, 3)))


class HalfScores(PixelRouter):
    def forward(self, x, context):
        weights = self.score(x).float().softmax(1)
        best = weights >= weights.topk(self.top_k, dim=1).values[:, -1:]
        return Routing(weights=weights * best, load=weights.sum((0, 2, 3)))


@pytest.mark.parametrize(
    ('router', 'text'),
    [
        (Negative, 'Negative weights are negative'),
        (Everyone, 'Everyone pixels have 4 to 4 experts, not 1 to top_k=2'),
        (HalfScores, 'HalfScores under automatic mixed precision'),
    ],
)
def test_routers(router, text):
    with pytest.raises(AssertionError, match=text):
        check_router(router)


class Silent(FrozenRandomPrior):
    def __init__(self):
        super().__init__(3)
        del self.feature_dim


class NoSum(FrozenRandomPrior):
    def forward(self, image):
        prior = super().forward(image)
        return DegradationPrior(prior.features, 2 * prior.probabilities, prior.content)


class WrongWidth(PromptBank):
    def __init__(self):
        super().__init__()
        self.prompt_dim = 3


@pytest.mark.parametrize(
    ('prior', 'options', 'text'),
    [
        (Silent, {}, 'Silent does not say feature_dim'),
        (NoSum, {'num_degradations': 3}, 'NoSum probabilities do not sum to 1'),
        (WrongWidth, {}, r'WrongWidth prompt is \(2, 256\), not \(2, 3\)'),
    ],
)
def test_priors(prior, options, text):
    with pytest.raises(AssertionError, match=text):
        check_prior(prior, **options)


class PerImage(L1Loss):
    def forward(self, restored, target, context):
        return self.weight * (restored - target).abs().mean((1, 2, 3))


class IgnoresWeight(L1Loss):
    def forward(self, restored, target, context):
        return (restored - target).abs().mean()


class Root(L1Loss):
    def forward(self, restored, target, context):
        return self.weight * (restored - target).square().mean().sqrt()


class Constant(L1Loss):
    def forward(self, restored, target, context):
        return self.weight * (restored.detach() - target).abs().mean()


class Remembers(L1Loss):
    def forward(self, restored, target, context):
        self.last = super().forward(restored, target, context)
        return self.last


@pytest.mark.parametrize(
    ('loss', 'text'),
    [
        (PerImage, r'PerImage gives the shape \(2,\), not a scalar'),
        (IgnoresWeight, 'IgnoresWeight is not multiplied by its weight'),
        (Root, 'Root gives a gradient of perfectly restored images that is not finite'),
        (Constant, 'Constant gives a value without a gradient'),
        (Remembers, 'Remembers keeps last of the last call'),
    ],
)
def test_losses(loss, text):
    with pytest.raises(AssertionError, match=text):
        check_loss(loss)


def test_our_own_expert_passes_with_options():
    check_expert(MLPExpert, ratio=1.0)
