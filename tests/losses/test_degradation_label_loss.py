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
    return loss(IMAGE, IMAGE, Context(IMAGE, prior), labels).item()


def test_cross_entropy_averaged_over_the_images():
    value = judge([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]], ['rain', 'low'], weight=0.5)
    assert value == pytest.approx(-0.5 * (math.log(0.3) + math.log(0.25)) / 2)


def test_a_composite_label_is_shared_evenly():
    value = judge([[0.1, 0.2, 0.3, 0.4]], ['low_haze_rain'])
    assert value == pytest.approx(-(math.log(0.1) + math.log(0.2) + math.log(0.3)) / 3)


def test_a_name_may_hold_an_underscore():
    assert judge([[0.1, 0.2, 0.3, 0.4]], ['motion_blur']) == pytest.approx(-math.log(0.4))


def test_a_probability_of_zero_is_finite():
    assert judge([[1.0, 0.0, 0.0, 0.0]], ['rain']) < 20


def test_unknown_label_is_named():
    with pytest.raises(ValueError, match=r"label 'rain_snow' names snow, .* none of low, haze"):
        judge([[0.1, 0.2, 0.3, 0.4]], ['rain_snow'])


def test_sizes_must_match():
    with pytest.raises(ValueError, match='tells 4 degradations apart, the loss names 2: a, b'):
        judge([[0.1, 0.2, 0.3, 0.4]], ['a'], names=['a', 'b'])


def test_needs_a_prior():
    with pytest.raises(ValueError, match='needs a network with a prior'):
        DegradationLabelLoss(NAMES)(IMAGE, IMAGE, Context(IMAGE), ['rain'])


def test_needs_labels():
    with pytest.raises(ValueError, match='needs a data set that gives `label`'):
        judge([[0.1, 0.2, 0.3, 0.4]], None)
