"""A plug-in: the smallest parts that a training can be made of, and hooks that disturb it."""

import os
import pathlib
import re
import signal
import time

import numpy as np
import torch
from mmengine.hooks import Hook
from torch import nn
from torch.utils.data import Dataset

from irbox.layers.shared_noise import normal_noise
from irbox.registry import BLOCKS, DATASETS, HOOKS, MODELS
from irbox.structures import Context
from irbox.utils.frozen import FrozenModule


class TinyPrior(FrozenModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.layer.parameters():
                weight.normal_(generator=generator)
        self.freeze()


@BLOCKS.register_module()
class TinyBlock(nn.Module):
    """A convolution whose input meets noise that belongs to the image."""

    def __init__(self, width: int, noise: float):
        super().__init__()
        self.noise = noise
        self.layer = nn.Conv2d(width, width, 3, padding=1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        noise = self.noise * normal_noise(x) if self.training else 0
        return x + torch.tanh(self.layer(x + noise))


@MODELS.register_module()
class TinyNetwork(nn.Module):
    """Draws noise in training, and has a frozen part."""

    def __init__(
        self,
        width: int = 4,
        noise: float = 0.01,
        spoil_at: int = -1,
        norm: bool = True,
        spoil_gradients_at: list[int] = (),
        spike_at: list[int] = (),
        blocks: int = 0,
        block_noise: float = 0.1,
    ):
        super().__init__()
        self.noise, self.spoil_at, self.calls = noise, spoil_at, 0
        self.spoil_gradients_at, self.spike_at = spoil_gradients_at, spike_at
        self.prior = TinyPrior()
        self.norm = nn.BatchNorm2d(3) if norm else nn.Identity()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.GELU(),
            *(TinyBlock(width, block_noise) for _ in range(blocks)),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def describe(self, image):
        return Context(image)

    def forward(self, image, context=None):
        x = self.norm(image)
        if self.training:
            self.calls += 1
            x = x + self.noise * torch.randn_like(x)
            if self.calls == self.spoil_at:
                x = x * float('nan')
        bias = self.prior.layer(image.mean((2, 3)))[..., None, None]
        restored = self.layers(x)
        if self.training and self.calls in self.spoil_gradients_at:
            # The loss stays finite, its gradient does not.
            restored.register_hook(lambda gradient: gradient * float('nan'))
        if self.training and self.calls in self.spike_at:
            restored.register_hook(lambda gradient: gradient * 1e6)
        return image + restored + 0.01 * bias


@DATASETS.register_module()
class TinyPairs(Dataset):
    """Random squares, darkened; ``broken`` raises where a file could not be read."""

    def __init__(
        self,
        labels: list[str] = ('dark', 'darker'),
        length: int = 10,
        size: int = 16,
        seed: int = 0,
        broken: bool = False,
        names: list[str] = (),
    ):
        self.names = names
        self.labels, self.length, self.size = tuple(labels), length, size
        self.seed, self.broken = seed, broken

    def __len__(self):
        return self.length

    def __getitem__(self, item):
        index, draw = item if isinstance(item, tuple) else (item, 0)
        if self.broken:
            raise ValueError('Cannot read image_3.png: it is truncated.')
        rng = np.random.default_rng((self.seed, index, draw))
        target = torch.from_numpy(rng.random((3, self.size, self.size), dtype=np.float32))
        which = index % len(self.labels)
        return {
            'image': target * (0.5, 0.25, 0.1)[which],
            'target': target,
            'label': self.labels[which],
            'name': self.names[index] if self.names else f'square_{index}',
        }


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the process at once in an iteration, as a power failure would."""

    def __init__(self, iteration: int, rank: int | None = None):
        self.iteration, self.rank = iteration, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration and self.rank in (None, runner.rank):
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class HangHook(Hook):
    """Never comes back in an iteration; with ``locked`` it keeps the interpreter to itself."""

    def __init__(self, iteration: int, locked: bool = False, rank: int = 0):
        self.iteration, self.locked, self.rank = iteration, locked, rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.iteration and runner.rank == self.rank:
            if self.locked:
                re.match('(a|aa)+$', 'a' * 60 + 'b')
            time.sleep(10_000)


@HOOKS.register_module()
class DriftHook(Hook):
    """Makes one process slow, and changes the last bit of one of its weights in an iteration."""

    def __init__(self, iteration: int, rank: int = 1, seconds: float = 0.0):
        self.iteration, self.rank, self.seconds = iteration, rank, seconds

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == self.rank:
            time.sleep(self.seconds)
            if runner.iter + 1 == self.iteration:
                weight = dict(runner.model.named_parameters())['module.network.layers.0.weight']
                weight.data.view(-1).view(torch.int32)[5] ^= 1


@HOOKS.register_module()
class RecordHook(Hook):
    """Keeps the loss of each iteration."""

    losses: list = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append((runner.iter + 1, outputs['loss'].item(), data_batch['name']))


@HOOKS.register_module()
class SlowHook(Hook):
    """Takes its time in each iteration and each batch of a validation; notes who it is."""

    def __init__(self, seconds: float = 0.0, validation: float = 0.0, rank: int = -1):
        self.seconds, self.validation, self.rank = seconds, validation, rank

    def before_train(self, runner):
        if runner.rank == self.rank:
            pathlib.Path(runner.work_dir, f'rank_{self.rank}.pid').write_text(str(os.getpid()))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        time.sleep(self.seconds)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        time.sleep(self.validation)
