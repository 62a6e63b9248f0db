"""The faults of docs/reliability.md on mmengine's own Runner, as it comes: what becomes of them.

``PYTHONPATH=tests python -m support.stock_mmengine`` prints a line for each. A regression with
noise drawn in the model, 12 iterations, a checkpoint after every fourth.
"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

HERE = 'support.stock_mmengine'


class Numbers(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        return torch.full((3,), index / 64)


class Regression(BaseModel):
    """Noise of its own in each step; a gradient that is NaN at one, and slow, on request."""

    def __init__(self, nan_at=0, seconds=0.0):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.nan_at, self.seconds, self.step = nan_at, seconds, 0

    def forward(self, data_samples=None, inputs=None, mode='loss', **_):
        """mmengine wants one; ``train_step`` does without."""

    def train_step(self, data, optim_wrapper):
        self.step += 1
        time.sleep(self.seconds)
        if self.step == 6 and 'MARK' in os.environ:
            Path(os.environ['MARK']).touch()
        x = torch.stack(list(data)) if isinstance(data, (list, tuple)) else data
        answer = self.layer(x + 0.1 * torch.randn_like(x))
        if self.step == self.nan_at:
            answer.register_hook(lambda gradient: gradient * float('nan'))
        loss = (answer - x).square().mean()
        optim_wrapper.update_params(loss)
        return {'loss': loss}


def runner(folder, resume=False, max_iters=12, load_from=None, **model):
    return Runner(
        model=Regression(**model),
        work_dir=str(folder),
        train_dataloader={
            'batch_size': 4,
            'dataset': Numbers(),
            'sampler': {'type': 'InfiniteSampler', 'shuffle': True},
            'collate_fn': {'type': 'default_collate'},
        },
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': max_iters, 'val_interval': 10**6},
        optim_wrapper={'optimizer': {'type': 'AdamW', 'lr': 1e-2}},
        default_hooks={
            'checkpoint': {
                'type': 'CheckpointHook',
                'interval': 4,
                'by_epoch': False,
                'max_keep_ckpts': 2,
            }
        },
        randomness={'seed': 0},
        resume=resume,
        load_from=load_from,
        log_level='ERROR',
        experiment_name=f'{time.time_ns()}',
    )


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def equal(one, two):
    return all(torch.equal(one[key], two[key]) for key in one)


def outcome(action):
    """What an action says, or its error in a line."""
    try:
        return action()
    except BaseException as error:  # noqa: B036  # whatever it is
        return f'{type(error).__name__}: {str(error).splitlines()[0][:110] if str(error) else ""}'


def resumed(folder, spoil=None, **options):
    """Train, cut back to iteration 8, spoil something, resume."""
    runner(folder).train()
    (folder / 'iter_12.pth').unlink()
    whole = folder.with_name('whole')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_8.pth'))
    if spoil:
        spoil(folder / 'iter_8.pth')
    if not whole.exists():
        runner(whole).train()
    runner(folder, resume=True, **options).train()
    same = equal(weights(whole / 'iter_12.pth'), weights(folder / 'iter_12.pth'))
    return 'equal to the bit' if same else 'trained on, to other weights'


def flip(path):
    data = bytearray(path.read_bytes())
    place = data.index(
        torch.load(path, weights_only=False)['state_dict']['layer.weight'].numpy().tobytes()
    )
    data[place : place + 32] = bytes(value ^ 0x3F for value in data[place : place + 32])
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:2000])


class Marks:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f'touch {self.path}',))


def with_code(path):
    content = torch.load(path, weights_only=False)
    content['meta']['x'] = Marks(path.with_name('mark'))
    torch.save(content, path, pickle_module=pickle)


def nan_gradient(folder):
    runner(folder, nan_at=10).train()
    finite = all(value.isfinite().all() for value in weights(folder / 'iter_12.pth').values())
    left = sorted(path.name for path in folder.glob('iter_*.pth'))
    return f'code 0; iter_12.pth {"finite" if finite else "is NaN"}; left: {", ".join(left)}'


def code(folder):
    said = outcome(lambda: resumed(folder, with_code))
    return f'{"the code ran" if (folder / "mark").exists() else "the code did not run"}; {said}'


def start(folder, seconds, **environment):
    command = [sys.executable, '-m', HERE, '--train', str(folder), str(seconds)]
    return subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)


def told_to_end(folder, number):
    mark = folder.with_name('sixth')
    process = start(folder, 0.5, MARK=str(mark))
    while not mark.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    code = process.wait(60)
    left = sorted(path.name for path in folder.glob('iter_*.pth'))
    return f'code {code}, checkpoints: {", ".join(left) or "none"}'


def two_at_once(folder):
    both = [start(folder, 0.05) for _ in range(2)]
    return f'codes {[process.wait(120) for process in both]}'


FAULTS = {
    'killed after iteration 8, resumed': resumed,
    'a NaN gradient in iteration 10': nan_gradient,
    '32 bytes flipped in the newest checkpoint': lambda folder: resumed(folder, flip),
    'the newest checkpoint cut': lambda folder: resumed(folder, cut),
    'code in the newest checkpoint': code,
    'SIGTERM': lambda folder: told_to_end(folder, signal.SIGTERM),
    'SIGINT': lambda folder: told_to_end(folder, signal.SIGINT),
    'two trainings in one folder': two_at_once,
}


def main():
    warnings.simplefilter('ignore')
    for name, fault in FAULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder, 'work')
            said = outcome(lambda fault=fault, work=work: fault(work))
            print(f'| {name} | {said} |', flush=True)
            shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    torch.set_num_threads(1)
    if sys.argv[1:2] == ['--train']:
        runner(Path(sys.argv[2]), seconds=float(sys.argv[3])).train()
    else:
        main()
