import torch

from irbox.priors import FrozenRandomPrior


def test_the_same_seed_sees_the_same():
    image = torch.rand(2, 3, 20, 30)
    one, same = FrozenRandomPrior(3), FrozenRandomPrior(3)
    other = FrozenRandomPrior(3, seed=1)
    assert torch.equal(one(image).features, same(image).features)
    assert not torch.equal(one(image).features, other(image).features)


def test_building_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    FrozenRandomPrior(3)
    assert torch.equal(before, torch.get_rng_state())


def test_is_frozen_and_takes_no_room_in_checkpoints():
    prior = FrozenRandomPrior(3)
    assert not list(prior.parameters()) and not prior.state_dict()
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    assert not prior(image).features.requires_grad


def test_images_differ_and_embeddings_differ_from_each_other():
    prior = FrozenRandomPrior(4, feature_dim=16)
    known = prior(torch.rand(2, 3, 16, 16))
    for tensor in (known.features, known.content, known.probabilities):
        assert not torch.allclose(tensor[0], tensor[1])
    assert not torch.allclose(known.features, known.content)
