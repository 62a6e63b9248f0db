from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import Evaluator
from torch.utils.data import DataLoader

from irbox.engine.loops import MultiTestLoop, MultiValLoop
from irbox.evaluation import RestorationMetric, score


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
