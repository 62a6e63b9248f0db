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
        (Remembers, 'Remembers keeps last from its last call'),
    ],
)
def test_losses(loss, text):
    with pytest.raises(AssertionError, match=text):
        check_loss(loss)


def test_our_own_expert_passes_with_options():
    check_expert(MLPExpert, ratio=1.0)


# What people who write their first part get wrong.


class TakesChannels(nn.Module):
    def __init__(self, channels):
        super().__init__()


class NoModule:
    def __init__(self, dim):
        pass


class TwoInputs(Scale):
    def forward(self, x, context):
        return super().forward(x)


class ATuple(Scale):
    def forward(self, x):
        return super().forward(x), x


class NeedsOption(Scale):
    def __init__(self, dim, depth):
        super().__init__(dim)


class MixesDtypes(Scale):
    def __init__(self, dim):
        super().__init__(dim)
        self.conv = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        everywhere = torch.arange(len(x), device=x.device)
        return super().forward(x).index_add(0, everywhere, self.conv(x))


class SqueezesTheBatch(Scale):
    def forward(self, x):
        mean = x.mean((2, 3)).squeeze()
        return super().forward(x) + mean[:, :, None, None]


class HalfGradientOverflows(Scale):
    def forward(self, x):
        overflow = x.dtype == torch.float32 and torch.is_autocast_enabled('cpu')
        slope = 3e38 if overflow and self.training else 1.0
        y = super().forward(x)
        return y + (slope * slope) * (y - y.detach()) if overflow else y


class LosesItsGradient(Scale):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


@pytest.mark.parametrize(
    ('expert', 'text'),
    [
        (
            TakesChannels,
            r'TakesChannels cannot be built as TakesChannels\(dim=\.\.\.\): .*channels',
        ),
        (NoModule, r'NoModule is no nn\.Module'),
        (Scale(4), r'check_expert takes a class, got an instance of Scale\.'),
        ('Scale', "check_expert takes a class, got 'Scale'"),
        (TwoInputs, r"called as expert\(x\).*'context'\. Write def forward\(self, x\)\."),
        (ATuple, r'ATuple gives a tuple, not a tensor\. Return the map alone'),
        (NeedsOption, r"'depth'.* as in check_expert\(NeedsOption, option=\.\.\.\)"),
        (
            NeedsEvenSizes,
            r'(?s)on x \(2, 16, 5, 7\): AssertionError: only even sizes.*\. It must work',
        ),
        (MixesDtypes, r'fails on x .* with automatic mixed precision: .* Before, without'),
        (SqueezesTheBatch, r'SqueezesTheBatch fails on x \(1, 16, 8, 8\): IndexError'),
        (HalfGradientOverflows, 'under automatic mixed precision gives weight a gradient'),
        (LosesItsGradient, 'answer without a gradient'),
    ],
    ids=lambda value: None if isinstance(value, str) else getattr(value, '__name__', 'instance'),
)
def test_first_mistakes_are_explained(expert, text):
    with pytest.raises(AssertionError, match=text):
        check_expert(expert)


class Forgets(nn.Module):
    def __init__(self, stage):
        super().__init__()

    def forward(self, x):
        return x


class RecordsWeights(NeedsPrior):
    def forward(self, x, context):
        context.record(torch.ones(2))
        return self.scale * x


class RecordsLoad(NeedsPrior):
    def forward(self, x, context):
        context.record(Routing(weights=torch.ones_like(x), load=torch.ones(3)))
        return self.scale * x


class RecordsScores(NeedsPrior):
    def forward(self, x, context):
        load = torch.ones(x.shape[1])
        context.record(Routing(torch.ones_like(x), load, scores=torch.ones(2)))
        return self.scale * x


@pytest.mark.parametrize(
    ('block', 'text'),
    [
        (Forgets, r'called as block\(x, context\).*Write def forward\(self, x, context\)'),
        (RecordsWeights, r'RecordsWeights records tensor\(.*\), not a Routing'),
        (RecordsLoad, r'RecordsLoad reports a load \(3,\); \(N,\) is needed: \(16,\)'),
        (RecordsScores, r'RecordsScores gives scores that are not \(2, 16, 8, 8\)'),
    ],
)
def test_blocks(block, text):
    with pytest.raises(AssertionError, match=text):
        check_block(block)


class GivesWeights(PixelRouter):
    def forward(self, x, context):
        return super().forward(x, context).weights


class OneExpertShort(PixelRouter):
    def __init__(self, stage, num_experts, top_k):
        super().__init__(stage, num_experts - 1, top_k)


class NoExpert(PixelRouter):
    def forward(self, x, context):
        routing = super().forward(x, context)
        return Routing(weights=routing.weights * (routing.weights > 0.99), load=routing.load)


class HalfWeights(PixelRouter):
    def forward(self, x, context):
        routing = super().forward(x, context)
        return Routing(weights=routing.weights.bfloat16(), load=routing.load)


class SharedPerExpert(PixelRouter):
    def forward(self, x, context):
        routing = super().forward(x, context)
        return Routing(routing.weights, routing.load, shared=routing.weights)


class NoTopK(PixelRouter):
    def __init__(self, stage, num_experts):
        super().__init__(stage, num_experts, 1)


@pytest.mark.parametrize(
    ('router', 'text'),
    [
        (GivesWeights, "GivesWeights gives <class 'torch.Tensor'>, not a Routing"),
        (OneExpertShort, r'weights are \(2, 3, 8, 8\), not \(2, 4, 8, 8\)'),
        (NoExpert, 'NoExpert pixels have 0 to .* experts, not 1 to top_k=2'),
        (HalfWeights, r'HalfWeights weights are torch\.bfloat16, not float32'),
        (SharedPerExpert, r'SharedPerExpert gives shared that are not \(2, 1, 8, 8\)'),
        (NoTopK, r'NoTopK\(stage=\.\.\., num_experts=\.\.\., top_k=\.\.\.\): .*top_k'),
    ],
)
def test_more_routers(router, text):
    with pytest.raises(AssertionError, match=text):
        check_router(router)


class GivesFeatures(FrozenRandomPrior):
    def forward(self, image):
        return super().forward(image).features


class WrongFeatures(FrozenRandomPrior):
    def forward(self, image):
        prior = super().forward(image)
        return DegradationPrior(prior.features[:, :4], prior.probabilities, prior.content)


class DoubleFeatures(FrozenRandomPrior):
    def forward(self, image):
        prior = super().forward(image)
        return DegradationPrior(prior.features.double(), prior.probabilities, prior.content)


class PromptInATuple(PromptBank):
    def forward(self, image):
        return (super().forward(image),)


class SmallImagesFail(PromptBank):
    def forward(self, image):
        return self.prompts[:1] * self.convs(image).mean((1, 2, 3))[:, None]


@pytest.mark.parametrize(
    ('prior', 'options', 'text'),
    [
        (GivesFeatures, {'num_degradations': 3}, 'gives a Tensor, not a DegradationPrior'),
        (WrongFeatures, {'num_degradations': 3}, r'features is \(2, 4\), not \(2, 512\)'),
        (DoubleFeatures, {'num_degradations': 3}, r'features is torch\.float64, not float32'),
        (FrozenRandomPrior, {}, r"cannot be built as FrozenRandomPrior\(\): .*'num_degradations'"),
        (PromptInATuple, {}, r'gives a tuple, not a tensor \(B, M\)'),
        (SmallImagesFail, {}, r'SmallImagesFail fails on image \(2, 3, 1, 1\): RuntimeError'),
    ],
)
def test_more_priors(prior, options, text):
    with pytest.raises(AssertionError, match=text):
        check_prior(prior, **options)


class NoWeight(nn.Module):
    def forward(self, restored, target, context):
        return (restored - target).abs().mean()


class ANumber(L1Loss):
    def forward(self, restored, target, context):
        return super().forward(restored, target, context).item()


class Half(L1Loss):
    def forward(self, restored, target, context):
        return super().forward(restored, target, context).half()


class Infinite(L1Loss):
    def forward(self, restored, target, context):
        return super().forward(restored, target, context) / 0


class Random(L1Loss):
    def forward(self, restored, target, context):
        return super().forward(restored, target, context) * torch.rand(())


class NothingMoves(L1Loss):
    def forward(self, restored, target, context):
        return super().forward(restored, target, context) * 0


class Counting(L1Loss):
    calls = 0

    def __init__(self, weight=1.0):
        super().__init__(weight)
        self.calls = 0

    def forward(self, restored, target, context):
        self.calls += 1
        return super().forward(restored, target, context)


class WantsLabels(L1Loss):
    uses_label = True


class FailsOnTheImages(L1Loss):
    def forward(self, restored, target, context):
        return self.weight * (restored[..., :12] @ target).mean()


@pytest.mark.parametrize(
    ('loss', 'text'),
    [
        (NoWeight, r'NoWeight cannot be built as NoWeight\(weight=\.\.\.\)'),
        (ANumber, 'ANumber gives a float, not a scalar tensor'),
        (Half, r'Half gives torch\.float16, not float32'),
        (Infinite, 'Infinite gives inf'),
        (Random, 'Random gives two values for the same images'),
        (NothingMoves, 'NothingMoves gives a gradient that is zero everywhere'),
        (Counting, 'Counting keeps calls from its last call'),
        (WantsLabels, r'called as loss\(restored, target, context, label\)'),
        (FailsOnTheImages, 'FailsOnTheImages fails on two images with a prior.*RuntimeError'),
    ],
)
def test_more_losses(loss, text):
    with pytest.raises(AssertionError, match=text):
        check_loss(loss)
