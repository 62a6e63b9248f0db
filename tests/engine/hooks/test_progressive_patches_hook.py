"""Patches grow, batches shrink, and a resumed training sees the same."""

import logging
from types import SimpleNamespace

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.hooks import ProgressivePatchesHook
from irbox.engine.train import dry_run, find_checkpoint, train
from irbox.models.restorer import Restorer
from support.paths import TINY

STAGES = [
    {'iters': 30, 'patch': 4, 'batch': 3},
    {'iters': 10, 'patch': 6, 'batch': 2},
    {'iters': 20, 'patch': 8, 'batch': 1},
]


def runner(iteration=0, max_iters=60, patch=8, batch=3):
    loader = SimpleNamespace(dataset=SimpleNamespace(patch_size=patch), batch_size=batch)
    return SimpleNamespace(
        iter=iteration,
        max_iters=max_iters,
        train_dataloader=loader,
        logger=logging.getLogger('progressive'),
    )


def batch():
    image = torch.arange(3 * 3 * 8 * 8.0).view(3, 3, 8, 8)
    return {'image': image, 'target': -image, 'label': ['a', 'b', 'c'], 'name': list('xyz')}


@pytest.mark.parametrize(
    ('iteration', 'max_iters', 'patch', 'kept'),
    [
        (0, 60, 4, 3),
        (29, 60, 4, 3),
        (30, 60, 6, 2),
        (39, 60, 6, 2),
        (40, 60, 8, 1),
        (59, 60, 8, 1),
        # Half as long: each stage has its share.
        (14, 30, 4, 3),
        (15, 30, 6, 2),
        (20, 30, 8, 1),
    ],
)
def test_a_stage_cuts_both_images_alike(iteration, max_iters, patch, kept):
    data = batch()
    ProgressivePatchesHook(STAGES).before_train_iter(runner(iteration, max_iters), 0, data)
    assert data['image'].shape == data['target'].shape == (kept, 3, patch, patch)
    assert torch.equal(data['image'], -data['target'])
    assert data['label'] == ['a', 'b', 'c'][:kept] and data['name'] == list('xyz')[:kept]
    inner = data['image'][0, 0]
    assert torch.equal(inner, inner[0, 0] + batch()['image'][0, 0, :patch, :patch])


def test_every_place_is_drawn():
    places = set()
    for _ in range(400):
        data = batch()
        ProgressivePatchesHook(STAGES).before_train_iter(runner(), 0, data)
        places.add(divmod(int(data['image'][0, 0, 0, 0]), 8))
    assert places == {(top, left) for top in range(5) for left in range(5)}


def test_when_stages_begin_is_said(caplog):
    with caplog.at_level(logging.INFO, 'progressive'):
        ProgressivePatchesHook(STAGES).before_train(runner())
    assert caplog.messages == [
        'From iteration 0: 3 patches of 4.',
        'From iteration 30: 2 patches of 6.',
        'From iteration 40: 1 patches of 8.',
    ]


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'patch': 7}, 'patch=8, and train_dataloader.dataset.patch_size is 7. Set it to the'),
        ({'batch': 2}, 'batch=3, and train_dataloader.batch_size is 2. Set it to the largest'),
    ],
)
def test_smaller_data_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        ProgressivePatchesHook(STAGES).before_train(runner(**given))


def test_no_stage_is_refused():
    with pytest.raises(ValueError, match='stages is empty'):
        ProgressivePatchesHook([])


def configured(work_dir):
    stages = [{'iters': 8, 'patch': 8, 'batch': 2}, {'iters': 4, 'patch': 12, 'batch': 1}]
    hooks = [{'type': 'ProgressivePatchesHook', 'stages': stages}]
    checkpoint = {'type': 'CheckpointHook', 'interval': 4, 'max_keep_ckpts': -1}
    options = {'custom_hooks': hooks, 'default_hooks.checkpoint': checkpoint}
    return load_config(TINY, {'work_dir': str(work_dir)} | options)


def test_a_resumed_training_is_equal_to_the_bit(tmp_path):
    whole, halves = tmp_path / 'whole', tmp_path / 'halves'
    train(configured(whole))
    halves.mkdir()
    config = configured(halves)
    train(config, None, find_checkpoint(config, whole / 'iter_4.pth'))
    one, other = (read_checkpoint(place / 'iter_12.pth') for place in (whole, halves))
    for name, weight in one['state_dict'].items():
        assert torch.equal(weight, other['state_dict'][name]), name


def test_a_dry_run_takes_a_batch_of_the_stage_with_the_most_pixels(tmp_path, monkeypatch):
    seen = []
    loss = Restorer._loss

    def spied(self, image, *others):
        seen.append(tuple(image.shape))
        return loss(self, image, *others)

    monkeypatch.setattr(Restorer, '_loss', spied)
    dry_run(configured(tmp_path))
    # A batch as it is read has 2 of 16x16, the other stage 2 of 8x8.
    assert seen == [(1, 3, 12, 12)]
