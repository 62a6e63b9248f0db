import math

import pytest
import torch

from irbox.priors import MLPPrior
from irbox.testing import check_prior


def prior():
    return MLPPrior(num_degradations=3, feature_dim=24, width=4).eval()


def test_says_its_sizes():
    assert (prior().feature_dim, prior().num_degradations) == (24, 3)


@pytest.mark.parametrize(
    'change',
    [lambda x: 0.5 * x, lambda x: x + 0.1 * torch.randn_like(x), lambda x: x.flip(1)],
    ids=['dark', 'noisy', 'tinted'],
)
def test_sees_what_was_done_to_an_image(change):
    module, image = prior(), 0.2 + 0.5 * torch.rand(1, 3, 32, 32)
    before, after = module(image), module(change(image))
    assert not torch.allclose(before.features, after.features, atol=1e-4)
    assert torch.equal(after.content, after.features)


def test_learns_to_tell_degradations_apart():
    module = MLPPrior(2, feature_dim=16, width=4)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(40):
        image = 0.3 + 0.4 * torch.rand(8, 3, 1, 1).expand(8, 3, 16, 16)
        noisy = (torch.arange(8) % 2).bool()
        image = image + 0.1 * torch.randn(8, 3, 16, 16) * noisy.view(-1, 1, 1, 1)
        given = module(image).probabilities[torch.arange(8), noisy.long()]
        optimizer.zero_grad()
        loss = -given.log().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.2 * math.log(2)


def test_a_flat_image_has_finite_gradients():
    module = prior()
    known = module(torch.full((1, 3, 16, 16), 0.5))
    (known.features.sum() + known.content.sum() + known.probabilities[:, 0].sum()).backward()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


def test_keeps_its_contract_at_another_size():
    check_prior(MLPPrior, num_degradations=2, feature_dim=7, width=3)


def test_its_labels_are_of_its_probabilities():
    assert prior().labels == []
    assert MLPPrior(2, 8, 4, labels=('haze', 'clean')).labels == ['haze', 'clean']
    for labels in (['haze'], ['haze', 'haze'], ['haze', 'rain', 'clean'], []):
        with pytest.raises(ValueError, match='must be 2 different names'):
            MLPPrior(2, 8, 4, labels=labels)
