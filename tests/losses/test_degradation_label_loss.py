import math

import pytest
import torch

from irbox.losses import DegradationLabelLoss
from irbox.structures import Context, DegradationPrior

IMAGE = torch.zeros(1, 3, 2, 2)
NAMES = ['low', 'haze', 'rain', 'motion_blur']


def judge(probabilities, labels, names=NAMES, weight=1.0):
    probabilities = torch.tensor(probabilities)
    prior = DegradationPrior(probabilities, probabilities, probabilities)
    loss = DegradationLabelLoss(names, weight)
    return loss(IMAGE, IMAGE, Context(IMAGE, prior, labels=labels)).item()


def test_cross_entropy_averaged_over_the_images():
    value = judge([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]], ['rain', 'low'], weight=0.5)
    assert value == pytest.approx(-0.5 * (math.log(0.3) + math.log(0.25)) / 2)


def test_a_composite_label_is_shared_evenly():
    value = judge([[0.1, 0.2, 0.3, 0.4]], ['low_haze_rain'])
    assert value == pytest.approx(-(math.log(0.1) + math.log(0.2) + math.log(0.3)) / 3)


def test_a_name_may_hold_an_underscore():
    assert judge([[0.1, 0.2, 0.3, 0.4]], ['motion_blur']) == pytest.approx(-math.log(0.4))


def test_a_probability_of_zero_is_finite():
    assert judge([[1.0, 0.0, 0.0, 0.0]], ['rain']) < 70


def test_unknown_label_is_named():
    ways_out = r'`label`, add snow to the `names` of the loss .*, or leave the loss out'
    with pytest.raises(
        ValueError, match=rf"'rain_snow' names snow, .* none of low, haze.*{ways_out}"
    ):
        judge([[0.1, 0.2, 0.3, 0.4]], ['rain_snow'])


def test_sizes_must_match():
    with pytest.raises(ValueError, match='tells 4 degradations apart, the loss names 2: a, b'):
        judge([[0.1, 0.2, 0.3, 0.4]], ['a'], names=['a', 'b'])


def test_needs_a_prior():
    with pytest.raises(ValueError, match='needs a network with a prior'):
        DegradationLabelLoss(NAMES)(IMAGE, IMAGE, Context(IMAGE, labels=['rain']))


def test_needs_labels():
    with pytest.raises(ValueError, match='needs a data set that gives `label`'):
        judge([[0.1, 0.2, 0.3, 0.4]], None)


def test_an_almost_impossible_truth_still_pulls():
    scores = torch.tensor([[30.0, 0.0, 0.0, 0.0]], requires_grad=True)
    loss = DegradationLabelLoss(NAMES, weight=1.0)
    prior = DegradationPrior(torch.zeros(1, 2), scores.softmax(-1), torch.zeros(1, 2))
    image = torch.zeros(1, 3, 4, 4)
    loss(image, image, Context(image, prior=prior, labels=[NAMES[1]])).backward()
    assert scores.grad[0, 1] < -0.9


def test_the_longest_name_that_fits_is_taken():
    loss = DegradationLabelLoss(['low_light', 'haze', 'low'], weight=1.0)
    assert loss._spread('low_light_haze') == [0.5, 0.5, 0]
    assert loss._spread('low_haze') == [0, 0.5, 0.5]
