from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import Evaluator
from torch.utils.data import DataLoader

from irbox.engine.loops import MultiTestLoop, MultiValLoop
from irbox.evaluation import ImageMetric, RestorationMetric, ScoreInfo, score


class Pairs:
    def __init__(self, labels, count):
        self.labels, self.count = labels, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        target = torch.rand(3, 16, 16, generator=generator)
        label = self.labels[index % len(self.labels)]
        return {'image': target / 2, 'target': target, 'label': label, 'name': str(index)}


class Model(torch.nn.Module):
    def val_step(self, batch):
        assert not self.training and not torch.is_grad_enabled()
        rows = zip(batch['image'], batch['target'], batch['label'], strict=True)
        return [
            {'image': i, 'target': t, 'label': label, 'restored': 1.5 * i} for i, t, label in rows
        ]

    test_step = val_step


class Runner:
    seed = 0

    def __init__(self):
        self.model = Model()
        self.calls = []
        self.visualizer = SimpleNamespace()

    def build_evaluator(self, evaluator):
        return evaluator

    def agrees_to_stop(self):
        return False

    def call_hook(self, name, **given):
        self.calls.append(name)
        self.given = given


def loader(labels, count, batch_size=1):
    return DataLoader(Pairs(labels, count), batch_size=batch_size)


def run(loop_class, loaders):
    runner = Runner()
    loop = loop_class(runner, loaders, Evaluator([RestorationMetric()]))
    return runner, loop, loop.run()


def test_tasks_are_named_and_averaged():
    loaders = {'sots': loader(['haze'], 2), 'cdd': loader(['haze', 'rain'], 4, 2), 'gone': None}
    runner, loop, metrics = run(MultiValLoop, loaders)
    tasks = ['sots', 'cdd/haze', 'cdd/rain']
    assert list(dict.fromkeys(key.rpartition('/')[0] for key in metrics)) == [*tasks, 'mean']
    assert loop.tasks == {
        ('sots', 'haze'): 'sots',
        ('cdd', 'haze'): 'cdd/haze',
        ('cdd', 'rain'): 'cdd/rain',
    }
    assert loop.num_batches == 4
    expected = [
        score(0.75 * item['target'][None], item['target'][None])['psnr'].item()
        for item in (Pairs(['x'], 2)[index] for index in range(2))
    ]
    assert metrics['sots/psnr'] == pytest.approx(sum(expected) / 2, abs=1e-5)
    # The mean is over tasks, however many images each has.
    assert metrics['mean/psnr'] == pytest.approx(sum(metrics[f'{task}/psnr'] for task in tasks) / 3)
    assert runner.calls[:2] == ['before_val', 'before_val_epoch']
    assert runner.calls[-2:] == ['after_val_epoch', 'after_val']
    assert runner.calls.count('after_val_iter') == 4
    assert runner.calls.count('after_val_epoch') == 1


def test_one_loader_without_a_name():
    _, loop, metrics = run(MultiTestLoop, loader(['haze', 'rain'], 2))
    assert {key.split('/')[0] for key in metrics} == {'haze', 'rain', 'mean'}
    assert loop.dataloader is loop.dataloaders['']


def test_scores_without_a_label():
    class Count(RestorationMetric):
        def compute_metrics(self, results):
            return {'images': len(results)}

    runner = Runner()
    loaders = {'a': loader(['haze'], 2), 'b': loader(['haze'], 3)}
    loop = MultiTestLoop(runner, loaders, Evaluator([Count()]))
    assert loop.run() == {'a/images': 2, 'b/images': 3}


def test_a_score_that_is_not_averaged_has_no_mean():
    class Count(ImageMetric):
        scores = {'images': ScoreInfo(averaged=False), 'mean_error': ScoreInfo()}

        def score(self, restored, target):
            return {'mean_error': (restored - target).abs().mean((1, 2, 3))}

        def aggregate(self, values):
            return {'images': len(values['mean_error'])} | super().aggregate(values)

    loaders = {'a': loader(['haze'], 2), 'b': loader(['haze'], 3)}
    found = MultiTestLoop(Runner(), loaders, Evaluator([Count()])).run()
    assert list(found) == [
        'a/images',
        'a/mean_error',
        'b/images',
        'b/mean_error',
        'mean/mean_error',
    ]
    assert (found['a/images'], found['b/images']) == (2, 3)


class Sizes(Model):
    """Notes the sizes of what it is given."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def test_step(self, batch):
        self.sizes.append(tuple(batch['image'].shape[-2:]))
        return super().val_step(batch)


class OddPairs(Pairs):
    def __getitem__(self, index):
        sample = super().__getitem__(index)
        target = torch.rand(3, 35, 40, generator=torch.Generator().manual_seed(index))
        return sample | {'image': target / 2, 'target': target}


@pytest.mark.parametrize(
    ('protocols', 'sizes'),
    [
        (['aio'], [(32, 32)]),
        (['y601'], [(35, 40)]),
        (['y601', 'aio', 'm2restore_legacy', 'aio_gauss'], [(35, 40), (32, 32)]),
    ],
)
def test_the_network_sees_what_the_protocol_cuts(protocols, sizes):
    runner = Runner()
    runner.model = Sizes()
    metrics = [RestorationMetric(name, qualify=n > 0) for n, name in enumerate(protocols)]
    loader = DataLoader(OddPairs(['haze'], 1))
    found = MultiTestLoop(runner, {'sots': loader}, Evaluator(metrics)).run()
    assert runner.model.sizes == sizes
    sample = OddPairs(['haze'], 1)[0]
    for number, name in enumerate(protocols):
        restored, target = (1.5 * sample['image'][None], sample['target'][None])
        expected = score(restored, target, name)['psnr'].item()
        key = 'sots/psnr' + (f'@{name}' if number else '')
        assert found[key] == found[key.replace('sots', 'mean')] == pytest.approx(expected)


def test_where_nothing_is_cut_the_network_runs_once():
    runner = Runner()
    runner.model = Sizes()
    metrics = [RestorationMetric('aio'), RestorationMetric('cdd11', qualify=True)]
    MultiTestLoop(runner, loader(['haze'], 2), Evaluator(metrics)).run()
    assert runner.model.sizes == [(16, 16)] * 2


def test_images_smaller_than_the_cut_are_refused():
    class Small(Pairs):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample | {key: sample[key][:, :10] for key in ('image', 'target')}

    with pytest.raises(ValueError, match='Image .+: .*multiples of 16 and cannot score 10x16'):
        run(MultiTestLoop, DataLoader(Small(['haze'], 1)))
