import pytest
import torch

from irbox.evaluation import ImageMetric, RestorationMetric, ScoreInfo, score
from irbox.registry import METRICS
from irbox.testing import check_metric


@pytest.fixture
def register():
    """Register classes for one test."""
    names = []

    def add(part):
        METRICS.register_module(name=part.__name__, module=part)
        names.append(part.__name__)
        return part

    yield add
    for name in names:
        METRICS.module_dict.pop(name)


class MeanDistance(ImageMetric):
    scores = {'mean_error': ScoreInfo(digits=3, higher_is_better=False)}

    def score(self, restored, target):
        return {'mean_error': (restored - target).abs().mean((1, 2, 3))}


def test_a_good_metric_passes(register):
    check_metric(register(MeanDistance))


@pytest.mark.parametrize('protocol', ['aio', 'cdd11', 'm2restore_legacy'])
def test_ours(protocol):
    check_metric(RestorationMetric, protocol=protocol)
    check_metric(RestorationMetric, protocol=protocol, qualify=True)


def test_one_that_judges_the_restored_image_alone(register):
    class Contrast(MeanDistance):
        scores = {'contrast': ScoreInfo(higher_is_better=False)}

        def score(self, restored, target):
            return {'contrast': 1 - restored.std((1, 2, 3))}

    register(Contrast)
    check_metric(Contrast, compares=False)
    with pytest.raises(AssertionError, match='calls noisy images better than equal ones'):
        check_metric(Contrast)


def test_one_that_sums_up_a_set(register):
    class Worst(MeanDistance):
        scores = {'worst': ScoreInfo(higher_is_better=False)}

        def aggregate(self, values):
            return {'worst': values['mean_error'].max().item()}

    check_metric(register(Worst))


def broken(**changes):
    return type('Broken', (MeanDistance,), changes)


def gives(function):
    return broken(score=lambda self, restored, target: function(restored, target))


def forgetful(self):
    pass


def growing(self, restored, target):
    self.calls = getattr(self, 'calls', 0) + 1
    return {'mean_error': (restored - target).abs().mean((1, 2, 3)) * self.calls}


def changing(restored, target):
    restored -= target
    return {'mean_error': restored.abs().mean((1, 2, 3))}


def quotient(restored, target):
    error = (restored - target).abs()
    return {'mean_error': error.mean((1, 2, 3)) / error.amax((1, 2, 3))}


def even(restored, target):
    quarters = (restored - target).unflatten(-1, (-1, 4))
    return {'mean_error': quarters.abs().mean((1, 2, 3, 4))}


PROMISES = [
    (broken(scores={}), 'declares no scores. Write scores ='),
    (broken(scores={'a/b': ScoreInfo()}), "declares a score 'a/b'. Use letters"),
    (broken(scores={'other': ScoreInfo()}), 'reports rain/mean_error, haze/mean_error; rain/other'),
    (broken(scores={'mean_error': ScoreInfo(higher_is_better=True)}), 'calls noisy images better'),
    (broken(__init__=forgetful), r'does not call super\(\).__init__'),
    (broken(input_multiple=0), 'input_multiple=0'),
    (broken(score=growing), 'gives two answers for the same images'),
    (gives(changing), 'changes the images that it is given'),
    (gives(lambda r, t: (r - t).abs().mean((1, 2, 3))), 'gives Tensor from score, not a dict'),
    (gives(lambda r, t: {'mean_error': (r - t).abs().mean()}), r'gives \(\) as mean_error of 3'),
    (gives(lambda r, t: {'mean_error': (r - t).abs().mean((2, 3))}), r'one number for each image'),
    (
        gives(lambda r, t: {'mean_error': (r - t).abs().mean().expand(len(r))}),
        'another answer alone than in a batch',
    ),
    (gives(lambda r, t: {'mean_error': (r - t).mean((1, 2, 3)) / 0}), 'that are not finite'),
    (gives(quotient), 'gives NaN as mean_error of black images, restored without an error'),
    (gives(even), r'fails on images of 37x45: RuntimeError'),
    (broken(default_prefix='mine'), 'reports mine/rain/mean_error'),
]


@pytest.mark.parametrize(('part', 'message'), PROMISES, ids=[text for _, text in PROMISES])
def test_broken_promises(part, message, register):
    register(part)
    with pytest.raises(AssertionError, match=message) as caught:
        check_metric(part)
    assert str(caught.value).startswith('Broken ')


def test_what_is_no_metric(register):
    with pytest.raises(AssertionError, match='MeanDistance is not registered. Put @METRICS'):
        check_metric(MeanDistance)
    with pytest.raises(AssertionError, match='takes a class, got an instance of MeanDistance'):
        check_metric(MeanDistance())

    class Plain(torch.nn.Module):
        pass

    with pytest.raises(AssertionError, match='Plain is no ImageMetric'):
        check_metric(Plain)

    class Asking(MeanDistance):
        def __init__(self, power):
            super().__init__()

    register(Asking)
    with pytest.raises(AssertionError, match="fails when it is built.*'power'"):
        check_metric(Asking)
    check_metric(Asking, power=2)


def test_ours_by_its_name():
    """``score`` of the package and ``RestorationMetric.score`` are one thing."""
    restored, target = torch.rand(2, 2, 3, 32, 32)
    found = RestorationMetric('cdd11').score(restored, target)
    expected = score(restored, target, 'cdd11')
    assert {key: value.tolist() for key, value in found.items()} == {
        key: value.tolist() for key, value in expected.items()
    }
