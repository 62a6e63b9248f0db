import math

import pytest
import torch

from irbox.layers.least_change import LeastChange

LABELS = ['rain', 'clean', 'noise']


def belief(*clean):
    """Probabilities of images that are clean with these, and else noisy."""
    return torch.tensor([[0.0, share, 1 - share] for share in clean])


def change_of(*levels, size=(7, 5)):
    """Changes of images whose root mean squares are so many levels."""
    torch.manual_seed(0)
    change = torch.randn(len(levels), 3, *size)
    sizes = change.double().square().mean((1, 2, 3), keepdim=True).sqrt()
    wanted = torch.tensor(levels, dtype=torch.float64).view(-1, 1, 1, 1) / 255
    return (change * wanted / sizes).float()


def slowly(change, levels, clean):
    """What is kept of one image's change, number by number."""
    numbers = change.double().flatten().tolist()
    size = 255 * math.sqrt(math.fsum(x * x for x in numbers) / len(numbers))
    least = levels * clean
    if size <= least:
        return 0.0
    if size >= 2 * least:
        return 1.0
    share = (size - least) / least
    return 3 * share**2 - 2 * share**3


@pytest.mark.parametrize('clean', [0.0, 0.01, 0.3, 0.7, 1.0])
def test_what_is_kept_of_changes(clean):
    sizes = (0.05, 0.5, 0.9, 1.3, 1.95, 2.5, 3.1, 5.0, 40.0)
    change = change_of(*sizes)
    kept = LeastChange(2.0, LABELS)(change, belief(*[clean] * len(sizes)))
    for before, after in zip(change, kept, strict=True):
        expected = before.double() * slowly(before, 2.0, clean)
        torch.testing.assert_close(after.double(), expected, rtol=2e-5, atol=1e-12)


def test_small_ones_are_nothing_and_large_ones_whole_to_the_bit():
    change = change_of(0.5, 0.99, 2.01, 30.0)
    kept = LeastChange(1.0, LABELS)(change, belief(1, 1, 1, 1))
    assert torch.equal(kept[:2], torch.zeros_like(kept[:2]))
    assert torch.equal(kept[2:], change[2:])


def test_what_cannot_be_clean_is_changed_however_little():
    change = change_of(1e-4, 0.1, 1.0)
    assert torch.equal(LeastChange(5.0, LABELS)(change, belief(0, 0, 0)), change)


def test_each_image_is_judged_by_itself():
    change, believed = change_of(0.4, 0.4, 9.0), belief(0.9, 0.05, 0.9)
    together = LeastChange(2.0, LABELS)(change, believed)
    assert not together[0].any()
    assert torch.equal(together[1:], change[1:])


def test_one_belief_serves_all_tiles():
    change = change_of(0.4, 9.0)
    kept = LeastChange(2.0, LABELS)(change, belief(0.9))
    assert not kept[0].any() and torch.equal(kept[1], change[1])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_types_stay(dtype):
    change = change_of(0.4, 9.0).to(dtype)
    kept = LeastChange(2.0, LABELS)(change, belief(0.9, 0.9).to(dtype))
    assert kept.dtype == dtype
    assert not kept[0].any() and torch.equal(kept[1], change[1])


def test_what_is_not_finite_is_not_hidden():
    change = change_of(0.1, 0.1, 0.1)
    change[0, 0, 0, 0], change[1, 2, 3, 4] = math.nan, math.inf
    kept = LeastChange(2.0, LABELS)(change, belief(1, 1, 1))
    assert kept[0].isnan().any() and kept[1].isinf().any()
    assert not kept[2].any()


def test_a_change_that_grows_is_never_kept_less():
    levels = torch.linspace(0.5, 3, 200).tolist()
    change = change_of(*levels)
    kept = LeastChange(1.0, LABELS)(change, belief(*[1.0] * 200))
    sizes = kept.square().mean((1, 2, 3)).sqrt()
    assert (sizes.diff() >= -1e-9).all()
    # No step: a hundredth of a level more is at most a twentieth more.
    assert 255 * sizes.diff().max() < 0.05


@pytest.mark.parametrize('levels', [0, -1.0, math.inf, math.nan])
def test_levels_are_above_zero(levels):
    with pytest.raises(ValueError, match=f'least_change={levels}'):
        LeastChange(levels, LABELS)


@pytest.mark.parametrize(('labels', 'said'), [(['rain', 'haze'], 'rain, haze'), ((), 'there are')])
def test_a_prior_has_to_know_what_is_clean(labels, said):
    with pytest.raises(ValueError, match=f"none of its labels says so: {said}.*'clean' among"):
        LeastChange(2.0, labels)
