"""An image meets the same noise on one process and on several."""

import pytest
import torch
from torch import distributed as dist

from irbox.layers.shared_noise import coin_flips, normal_noise, seed_shared_noise

LIKE = torch.empty(6, 2, 3)


@pytest.fixture
def process(monkeypatch):
    """Plays one of several processes of a training."""

    def play(rank, world, seed=3):
        monkeypatch.setattr(dist, 'is_initialized', lambda: True)
        monkeypatch.setattr(dist, 'get_rank', lambda: rank)
        monkeypatch.setattr(dist, 'get_world_size', lambda: world)
        torch.manual_seed(seed if world == 1 else 100 * rank)
        seed_shared_noise(seed)

    return play


@pytest.mark.parametrize('draw', [normal_noise, coin_flips])
@pytest.mark.parametrize('world', [2, 3])
def test_processes_share_the_noise_of_one(process, draw, world):
    process(0, 1)
    whole = [draw(LIKE), draw(LIKE)]
    assert not torch.equal(*whole)
    for rank in range(world):
        process(rank, world)
        part = torch.empty(6 // world, 2, 3)
        for expected in whole:
            torch.testing.assert_close(draw(part), expected[rank::world], rtol=0, atol=0)


def test_another_seed_gives_other_noise(process):
    process(1, 2, seed=3)
    first = normal_noise(LIKE)
    process(1, 2, seed=4)
    assert not torch.equal(normal_noise(LIKE), first)


def test_alone_it_follows_the_generator_of_torch():
    torch.manual_seed(5)
    expected = torch.randn(6, 2, 3)
    torch.manual_seed(5)
    assert torch.equal(normal_noise(LIKE), expected)


def test_what_is_drawn():
    noise = normal_noise(torch.empty(10_000, dtype=torch.float64))
    assert noise.dtype == torch.float64
    assert noise.mean().abs() < 0.05 and (noise.std() - 1).abs() < 0.05
    flips = coin_flips(torch.empty(10_000))
    assert set(flips.unique().tolist()) == {0, 1} and (flips.mean() - 0.5).abs() < 0.05
