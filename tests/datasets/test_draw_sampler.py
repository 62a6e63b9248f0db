from itertools import islice

import pytest
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import Dataset

from irbox.datasets import draw_sampler
from irbox.datasets.draw_sampler import DrawSampler

DATA = range(7)


def first(sampler, count):
    return list(islice(iter(sampler), count))


def of_rank(monkeypatch, rank, world_size, **options):
    monkeypatch.setattr(draw_sampler, 'get_dist_info', lambda: (rank, world_size))
    return DrawSampler(DATA, seed=3, **options)


def test_every_item_once_per_epoch_in_a_new_order():
    draws = first(DrawSampler(DATA, seed=3), 21)
    epochs = [[index for index, _ in draws[i : i + 7]] for i in (0, 7, 14)]
    assert all(sorted(epoch) == list(DATA) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [draw for _, draw in draws] == list(range(21))


def test_in_order_without_shuffling():
    assert first(DrawSampler(DATA, seed=3, shuffle=False), 9) == [(p % 7, p) for p in range(9)]


def test_the_seed_decides():
    assert first(DrawSampler(DATA, seed=3), 14) == first(DrawSampler(DATA, seed=3), 14)
    assert first(DrawSampler(DATA, seed=3), 14) != first(DrawSampler(DATA, seed=4), 14)


@pytest.mark.parametrize('start', [0, 1, 6, 7, 20])
def test_starting_late_equals_skipping(start):
    sampler = DrawSampler(DATA, seed=3)
    expected = first(sampler, start + 15)[start:]
    sampler.start_at(start)
    assert first(sampler, 15) == expected


@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks_share_out_the_draws(monkeypatch, world_size):
    alone = first(DrawSampler(DATA, seed=3), 30)
    ranks = [
        first(of_rank(monkeypatch, rank, world_size), 30 // world_size)
        for rank in range(world_size)
    ]
    assert sorted(draw for draws in ranks for _, draw in draws) == list(range(30))
    assert [pair for pairs in zip(*ranks, strict=True) for pair in pairs] == alone


def test_late_start_on_several_ranks(monkeypatch):
    sampler = of_rank(monkeypatch, 1, 2)
    sampler.start_at(8)
    assert [draw for _, draw in first(sampler, 3)] == [9, 11, 13]


def test_feeds_the_loader_that_the_runner_builds():
    """Workers receive (index, draw), and mmengine passes the data set and the seed."""
    init_default_scope('irbox')

    class Echo(Dataset):
        def __len__(self):
            return 7

        def __getitem__(self, item):
            return item

    loader = Runner.build_dataloader(
        {
            'batch_size': 3,
            'num_workers': 1,
            'persistent_workers': True,
            'sampler': {'type': 'DrawSampler'},
            'collate_fn': {'type': 'default_collate'},
            'dataset': Echo(),
        },
        seed=5,
    )
    indices, draws = next(iter(loader))
    expected = first(DrawSampler(DATA, seed=5), 3)
    assert list(zip(indices.tolist(), draws.tolist(), strict=True)) == expected
    assert len(loader.sampler) == 7


def test_mistakes_are_named():
    with pytest.raises(ValueError, match='empty'):
        DrawSampler([], seed=0)
    with pytest.raises(ValueError, match='position=-1'):
        DrawSampler(DATA, seed=0).start_at(-1)


def test_a_seed_is_found_when_none_is_given():
    assert isinstance(DrawSampler(DATA).seed, int)
