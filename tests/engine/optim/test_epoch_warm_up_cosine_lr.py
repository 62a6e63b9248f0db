import math
import warnings

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.optim import EpochWarmUpCosineLR
from irbox.engine.train import find_checkpoint, train
from irbox.registry import PARAM_SCHEDULERS
from support.paths import TINY

LR = 2e-4


def optimizer(*rates):
    groups = [{'params': [torch.nn.Parameter(torch.zeros(1))], 'lr': rate} for rate in rates]
    return torch.optim.SGD(groups, lr=LR)


def rates(iterations, optim=None, **options):
    """Learning rates of the iterations of a training."""
    optim = optim or optimizer(LR)
    scheduler = EpochWarmUpCosineLR(optim, **options)
    used = []
    for _ in range(iterations):
        used.append([group['lr'] for group in optim.param_groups])
        optim.step()
        scheduler.step()
    return [one[0] if len(one) == 1 else one for one in used]


def per_epoch(epochs, **options):
    return rates(epochs, iterations_per_epoch=1, **options)


def chained(epochs, warm_up, end, lr=LR):
    """Each epoch's learning rate made from the last one's, as a scheduler without index does.

    Past its end the recursion would divide by zero; it starts anew from the bottom, and rises.
    """
    used = [0.0]
    for step in range(1, epochs):
        last = used[-1]
        if step < warm_up:
            now = last + lr / (warm_up - 1)
        elif step == warm_up:
            now = lr
        elif (step - 1 - end) % (2 * (end - warm_up)) == 0:
            now = last + lr * (1 - math.cos(math.pi / (end - warm_up))) / 2
        else:
            turn = math.pi / (end - warm_up)
            now = last * (
                (1 + math.cos(turn * (step - warm_up)))
                / (1 + math.cos(turn * (step - warm_up - 1)))
            )
        used.append(now)
    return used


def test_the_measured_values_of_m2restore():
    used = per_epoch(200, warm_up=15, cosine_end=180)
    assert used[0] == used[1] == 0
    assert used[2] == pytest.approx(1.43e-5, rel=2e-3)
    assert used[15] == used[16] == LR
    assert used[17] == pytest.approx(LR, rel=1e-4) and used[17] < LR
    assert used[181] == 0
    assert all(used[epoch] < used[epoch + 1] for epoch in range(181, 199))
    assert used[199] == pytest.approx(5.8e-6, rel=5e-3)


def test_only_epoch_0_is_at_0_without_the_index():
    used = per_epoch(120, warm_up=15, cosine_end=150, indexed=False)
    assert [epoch for epoch, rate in enumerate(used) if rate == 0] == [0]
    assert used[1] == pytest.approx(1.43e-5, rel=2e-3)
    assert used[14] == used[15] == LR


@pytest.mark.parametrize(('warm_up', 'end', 'epochs'), [(15, 150, 120), (15, 180, 200), (2, 5, 7)])
def test_equals_the_chained_form(warm_up, end, epochs):
    reference = chained(epochs, warm_up, end)
    used = per_epoch(epochs, warm_up=warm_up, cosine_end=end, indexed=False)
    assert used == pytest.approx(reference, rel=1e-9, abs=1e-15)
    late = per_epoch(epochs, warm_up=warm_up, cosine_end=end)
    assert late == pytest.approx([0.0, *reference[:-1]], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(('samples', 'batch'), [(10, 4), (1000, 3), (7, 7), (19069, 997)])
def test_constant_within_an_epoch_of_any_length(samples, batch):
    epochs = 9
    options = {'warm_up': 3, 'cosine_end': 8}
    used = rates(epochs * samples // batch, iterations_per_epoch=samples / batch, **options)
    expected = per_epoch(epochs, **options)
    # Iteration i begins with sample i * batch, in whole numbers.
    assert used == [expected[i * batch // samples] for i in range(len(used))]


def test_every_group_keeps_its_share():
    used = rates(6, optimizer(1.0, 0.1), iterations_per_epoch=2, warm_up=3, cosine_end=9)
    assert used[0] == [0, 0] and used[4] == [0.5, 0.05]


def test_resumes_from_its_state():
    options = {'warm_up': 3, 'cosine_end': 8, 'iterations_per_epoch': 2.5}
    whole = rates(30, **options)
    optim = optimizer(LR)
    scheduler = EpochWarmUpCosineLR(optim, **options)
    for _ in range(13):
        optim.step()
        scheduler.step()
    state, weights = scheduler.state_dict(), optim.state_dict()
    optim = optimizer(LR)
    scheduler = EpochWarmUpCosineLR(optim, **options)
    optim.load_state_dict(weights)
    scheduler.load_state_dict(state)
    for iteration in range(13, 30):
        assert optim.param_groups[0]['lr'] == whole[iteration]
        optim.step()
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            scheduler.step()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'warm_up': 15, 'cosine_end': 10}, 'warm_up=15 and cosine_end=10'),
        ({'warm_up': 1, 'cosine_end': 10}, 'at least 2'),
        ({'warm_up': 2, 'cosine_end': 9, 'by_epoch': True}, 'by_epoch'),
        ({'warm_up': 2, 'cosine_end': 9, 'iterations_per_epoch': None}, 'iterations_per_epoch'),
        ({'warm_up': 2, 'cosine_end': 9, 'iterations_per_epoch': 0}, 'above 0'),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        config = {'type': 'EpochWarmUpCosineLR', 'iterations_per_epoch': 2, **options}
        PARAM_SCHEDULERS.build(config, optimizer=optimizer(LR))


def run(work_dir, resume=None):
    """The tiny training, 5 iterations to an epoch; gives its last checkpoint."""
    scheduler = {'type': 'EpochWarmUpCosineLR', 'warm_up': 2, 'cosine_end': 3}
    options = {'work_dir': str(work_dir), 'param_scheduler': [scheduler]}
    config = load_config(TINY, options)
    train(config, checkpoint=find_checkpoint(config, resume))
    return read_checkpoint(work_dir / 'iter_12.pth')


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole = run(tmp_path)
    assert whole['optimizer']['param_groups'][0]['lr'] == pytest.approx(1e-2)
    assert whole['param_schedulers'][0]['iterations_per_epoch'] == 5
    (tmp_path / 'iter_12.pth').unlink()
    resumed = run(tmp_path, tmp_path / 'iter_8.pth')
    assert resumed['optimizer']['param_groups'] == whole['optimizer']['param_groups']
    for name, weight in whole['state_dict'].items():
        assert torch.equal(resumed['state_dict'][name], weight), name
