import copy

import pytest
import torch
from torch import nn

from irbox.engine.hooks import AveragedModel


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


@pytest.mark.parametrize('warm_up', [0, 3])
def test_average_of_weights(warm_up):
    torch.manual_seed(0)
    model = Model()
    average = AveragedModel(model, momentum=0.2, warm_up=warm_up)
    expected = None
    for step in range(6):
        with torch.no_grad():
            model.layer.weight.normal_()
            model.norm.running_mean.normal_()
        average.update_parameters(model)
        newest = model.layer.weight.detach().clone()
        share = max(0.2, warm_up / (warm_up + step)) if warm_up else 0.2
        expected = newest if expected is None else (1 - share) * expected + share * newest
        torch.testing.assert_close(average.module.layer.weight.detach(), expected)
    assert torch.equal(average.module.norm.running_mean, model.norm.running_mean)
    assert average.steps == 6


def test_frozen_weights_are_shared_and_others_are_not():
    model = Model()
    average = AveragedModel(model, momentum=0.2, warm_up=0)
    assert average.module.frozen.weight is model.frozen.weight
    assert average.module.layer.weight is not model.layer.weight
    assert not any(weight.requires_grad for weight in average.parameters())
    assert model.layer.weight.requires_grad


def test_state_round_trip():
    model = Model()
    average = AveragedModel(model, momentum=0.2, warm_up=3)
    for _ in range(3):
        nn.init.normal_(model.layer.weight)
        average.update_parameters(model)
    again = AveragedModel(Model(), momentum=0.2, warm_up=3)
    again.load_state_dict(copy.deepcopy(average.state_dict()))
    nn.init.normal_(model.layer.weight)
    average.update_parameters(model)
    again.update_parameters(model)
    assert torch.equal(average.module.layer.weight, again.module.layer.weight)


def test_follows_tensors_that_are_replaced():
    model = Model()
    average = AveragedModel(model, momentum=0.2, warm_up=0)
    average.update_parameters(model)
    model.layer.weight = nn.Parameter(torch.full((2, 2), 3.0))
    model.norm.running_mean = torch.full((2,), 5.0)
    before = average.module.layer.weight.clone()
    average.update_parameters(model)
    torch.testing.assert_close(average.module.layer.weight, 0.8 * before + 0.2 * 3)
    assert average.module.norm.running_mean.tolist() == [5, 5]


def test_another_model_is_not_taken_for_the_first():
    models = [Model(), Model()]
    average = AveragedModel(models[0], momentum=0.2, warm_up=0)
    for model in models:
        average.update_parameters(model)
    expected = 0.8 * models[0].layer.weight + 0.2 * models[1].layer.weight
    torch.testing.assert_close(average.module.layer.weight, expected.detach())
