import pytest
import torch
from torch import nn

from irbox.networks.restoration_network import RestorationNetwork
from irbox.restore.steering import Steering, degradation_names
from irbox.structures import Context, DegradationPrior

NAMES = ['hazy', 'rainy', 'noisy', 'low-light']


def context(probabilities=(0.1, 0.2, 0.3, 0.4)):
    prior = DegradationPrior(torch.ones(1, 5), torch.tensor([probabilities]), torch.zeros(1, 5))
    return Context(torch.zeros(1, 3, 4, 4), prior)


def believed(*args, **kwargs):
    return Steering(NAMES, **kwargs).apply(context(*args)).prior.probabilities[0].tolist()


def test_weights_are_divided_by_their_sum():
    assert believed(degradations={'rain': 3, 'haze': 1}) == pytest.approx([0.25, 0.75, 0, 0])


def test_a_task_is_a_weight_of_one():
    assert believed(task='noise') == [0, 0, 1, 0]
    assert believed(task=['noise', 'low light']) == [0, 0, 0.5, 0.5]


def test_the_others_keep_their_proportions():
    assert believed(not_='low_light') == pytest.approx([1 / 6, 2 / 6, 3 / 6, 0])
    assert believed((0.0, 0.0, 0.0, 1.0), not_='low-light') == pytest.approx([1 / 3] * 3 + [0])


def test_the_embeddings_stay():
    own = context()
    steered = Steering(NAMES, task='rain').apply(own)
    assert steered.prior.features is own.prior.features
    assert own.prior.probabilities[0, 1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'task': 'rian'}, "no degradation 'rian'. Did you mean 'rainy'"),
        ({'degradations': {'rain': -1}}, 'rain=-1 must be a number from 0 up'),
        ({'degradations': {'rain': 'x'}}, 'must be a number'),
        ({'degradations': {'rain': 0}}, 'above 0'),
        ({'degradations': {'rain': float('nan')}}, 'finite'),
        ({'not_': NAMES}, 'every degradation'),
        ({'task': 'rain', 'not_': 'haze'}, 'one of degradations, task and not_'),
        ({}, 'one of degradations, task and not_'),
    ],
)
def test_what_cannot_be_believed_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Steering(NAMES, **options)


def test_a_model_without_a_prior_says_so():
    with pytest.raises(ValueError, match='has no prior'):
        Steering([], task='rain')


def test_similarities_are_not_replaced():
    with pytest.raises(ValueError, match='do not sum to 1'):
        Steering(NAMES, task='rain').apply(context((3.0, 2.0, 1.0, -1.0)))


def test_where_the_names_come_from():
    class Prior(nn.Module):
        num_degradations = 2

    network = RestorationNetwork()
    assert degradation_names(network) == []
    network.prior = Prior()
    assert degradation_names(network) == ['degradation 1', 'degradation 2']
    losses = {'pixel': {'type': 'L1Loss'}, 'label': {'names': ['haze', 'rain']}, 'off': None}
    assert degradation_names(network, losses) == ['haze', 'rain']
    network.prior.labels = ['a', 'b']
    assert degradation_names(network, losses) == ['a', 'b']
    assert degradation_names(nn.Module()) == [], 'a network of somebody else may declare no places'
