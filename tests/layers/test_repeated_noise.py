import torch
from torch import distributed
from torch.utils.checkpoint import checkpoint

from irbox.layers.shared_noise import normal_noise, repeated_noise, seed_shared_noise


def test_what_is_computed_again_meets_the_same_noise(monkeypatch):
    """As in a training on two processes, whose noise torch does not know of."""
    monkeypatch.setattr(distributed, 'is_initialized', lambda: True)
    monkeypatch.setattr(distributed, 'get_rank', lambda: 1)
    monkeypatch.setattr(distributed, 'get_world_size', lambda: 2)
    drawn = []

    def block(x):
        drawn.append(normal_noise(x))
        return (x * drawn[-1]).sin()

    x = torch.ones(2, 3, requires_grad=True)
    for before in (0, 1):  # the generator is new, or has drawn
        drawn.clear()
        seed_shared_noise(5)
        for _ in range(before):
            normal_noise(x)
        y = checkpoint(block, x, use_reentrant=False, context_fn=repeated_noise)
        y = checkpoint(block, y, use_reentrant=False, context_fn=repeated_noise)
        after = normal_noise(x)
        y.sum().backward()
        first, second, second_again, first_again = drawn
        assert torch.equal(first, first_again) and torch.equal(second, second_again)
        assert not torch.equal(first, second) and not torch.equal(second, after)
    seed_shared_noise(5)
