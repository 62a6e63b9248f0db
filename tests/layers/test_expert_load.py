import torch

from irbox.layers.expert_load import counted_load, counts_side_by_side, expected_load


def test_counts_the_best():
    scores = torch.tensor([[3.0, 1, 2, 0], [0, 1, 2, 3], [9, 8, 7, 6]])
    assert counted_load(scores, 1).tolist() == [2, 0, 0, 1]
    assert counted_load(scores, 2).tolist() == [2, 1, 2, 1]
    assert counted_load(scores.view(1, 3, 1, 4), 4).tolist() == [3, 3, 3, 3]


def test_expects_what_repeated_noise_selects():
    generator = torch.Generator().manual_seed(0)
    clean, sigma = torch.tensor([0.3, 0.0, -0.2, 0.1]), torch.tensor([0.5, 1.0, 0.7, 0.2])
    noisy = clean + sigma * torch.randn(20_000, 4, generator=generator)
    clean, sigma = clean.expand_as(noisy), sigma.expand_as(noisy)
    counted = counted_load(noisy, 2) / len(noisy)
    expected = expected_load(clean, noisy, sigma, 2) / len(noisy)
    torch.testing.assert_close(expected, counted, atol=0.02, rtol=0)


def test_only_the_estimate_has_a_gradient():
    clean = torch.randn(2, 3, 3, 4, requires_grad=True)
    noisy = clean + torch.randn_like(clean)
    assert not counted_load(noisy, 2).requires_grad
    expected_load(clean, noisy, torch.ones_like(clean), 2)[0].backward()
    assert clean.grad[..., 0].sum() > 0


def test_both_ways_to_count_agree():
    index = torch.tensor([0, 3, 3, 1, 0, 3])
    assert counts_side_by_side(index, 5).tolist() == [2, 1, 0, 3, 0]
