import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from irbox.datasets import DrawSampler
from irbox.engine.loops import IterationTrainLoop

DATA = torch.arange(5)


def make_loop(world_size=1, loader=None, seed=0, rank=0):
    runner = SimpleNamespace(world_size=world_size, seed=seed, rank=rank)
    loader = loader or DataLoader(DATA, batch_size=2, sampler=DrawSampler(DATA, seed=0))
    return IterationTrainLoop(runner, loader, max_iters=10)


def test_draws_are_counted_over_processes_and_resumes():
    loop = make_loop(world_size=3)
    assert loop.draws_after(4) == 24
    loop.continue_from(4, draws=100)
    assert (loop.iter, loop.draws_after(4), loop.draws_after(5)) == (4, 100, 106)


def test_samplers_that_cannot_start_in_the_middle_are_refused():
    with pytest.raises(ValueError, match=r'train_dataloader\.sampler: RandomSampler.*DrawSampler'):
        make_loop(loader=DataLoader(DATA, shuffle=True))


def test_random_generators_depend_on_seed_iteration_and_process():
    def draw(iteration, **options):
        loop = make_loop(**options)
        loop._seed_generators(iteration)
        return torch.rand(1).item(), np.random.rand(), random.random()

    assert draw(3) == draw(3)
    for other in (draw(4), draw(3, seed=1), draw(3, rank=1)):
        assert all(one != two for one, two in zip(draw(3), other, strict=True))
