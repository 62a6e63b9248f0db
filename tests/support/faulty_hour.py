"""An hour of training with a fault about every two minutes, and how much of it was of use.

``PYTHONPATH=tests python -m support.faulty_hour WORK_DIR --minutes 60`` trains the demo of
M2Restore, breaks it at random moments, starts it again each time as a queue would, and compares the
steps that are in the last checkpoint with those of the same time without a fault.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from support.paths import ROOT

OPTIONS = {
    'default_hooks.checkpoint.interval': 10,
    'default_hooks.checkpoint.max_keep_ckpts': 3,
    'default_hooks.logger.interval': 1,
    'train_cfg.max_iters': 100000,
    'train_cfg.val_interval': 100000,
}
ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1'}


def start(folder, **options):
    given = [f'{key}={value}' for key, value in {**OPTIONS, **options}.items()]
    command = [
        sys.executable,
        str(ROOT / 'tools/train.py'),
        str(ROOT / 'configs/m2restore_demo.py'),
    ]
    command += ['--work-dir', str(folder), '--resume', '--cfg-options', *given]
    with open(folder.with_suffix('.log'), 'a') as log:
        return subprocess.Popen(
            command, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True
        )


def steps(folder):
    """Every step that was logged: its number, when its file said so last, its seconds."""
    found = []
    for path in folder.glob('*/vis_data/scalars.json'):
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # A kill in the middle of a line.
                continue
            if 'loss' in entry:
                found.append((entry['step'], entry.get('time', 0)))
    return found


def newest(folder):
    return max(folder.glob('iter_*.pth'), key=lambda path: int(path.stem[5:]), default=None)


def done(folder):
    path = newest(folder)
    return int(path.stem[5:]) if path else 0


def kill(process, folder):
    os.killpg(process.pid, signal.SIGKILL)


def kill_in_a_save(process, folder):
    """As soon as a checkpoint begins to grow."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        if any(
            path.name.startswith(('.', 'iter')) and path.suffix not in ('.pth',)
            for path in folder.iterdir()
            if path.is_file() and 'iter' in path.name
        ):
            break
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)


def flip_bytes(process, folder):
    """64 bytes of the newest checkpoint, then a kill."""
    os.killpg(process.pid, signal.SIGKILL)
    path = newest(folder)
    if path is not None:
        data = bytearray(path.read_bytes())
        for place in range(len(data) // 2, len(data) // 2 + 64):
            data[place] ^= 255
        path.write_bytes(data)


def tell_to_end(process, folder):
    os.killpg(process.pid, signal.SIGTERM)


def interrupt(process, folder):
    os.killpg(process.pid, signal.SIGINT)


def hold(process, folder):
    """Five seconds, and let go."""
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(5)
    os.killpg(process.pid, signal.SIGCONT)


FAULTS = (kill, kill_in_a_save, flip_bytes, tell_to_end, interrupt, hold)


def run(folder, seconds, every, seed=0):
    """Train for so long, with a fault after ``every`` seconds in the mean.

    Returns:
        A dict: see the end of the function.
    """
    generator = random.Random(seed)
    folder.mkdir(parents=True)
    begin = time.monotonic()
    faults, first_steps, codes = [], [], []
    process, started, waiting, before = start(folder), begin, True, 0
    fault_at = begin + generator.expovariate(1 / every)
    while time.monotonic() < begin + seconds:
        time.sleep(0.05)
        now = time.monotonic()
        count = len(steps(folder)) if waiting else 0
        if waiting and count > before:
            first_steps.append(now - started)
            waiting = False
        if now > fault_at and process.poll() is None:
            fault = generator.choice(FAULTS)
            fault(process, folder)
            faults.append(fault.__name__)
            fault_at = time.monotonic() + generator.expovariate(1 / every)
        if process.poll() is not None:
            codes.append(process.returncode)
            before = len(steps(folder))
            process, started, waiting = start(folder), time.monotonic(), True
    tell_to_end(process, folder)
    codes.append(process.wait(60))
    wall = time.monotonic() - begin
    step = statistics.median(seconds for _, seconds in steps(folder))
    trained = len(steps(folder))
    return {
        'faults': {name: faults.count(name) for name in sorted(set(faults))},
        'exit codes': {code: codes.count(code) for code in sorted(set(codes))},
        'wall': wall,
        'median step': step,
        'steps kept': done(folder),
        'steps done again': trained - done(folder),
        'useful': done(folder) * step / wall,
        'first step after a start, median': statistics.median(first_steps),
        'first step of the first start': first_steps[0],
        'first step of resumes, largest': max(first_steps[1:], default=0.0),
    }


def share_of_saves(folder, iterations=100):
    """Share of a training's time in which it waits for its checkpoints; it is not broken."""
    from irbox.config.load_config import load_config
    from irbox.engine.runner import RestorationRunner
    from irbox.engine.train import train

    whole, inner, spent = RestorationRunner.train, RestorationRunner.save_checkpoint, []

    def timed(function, found):
        def run(*arguments, **options):
            start = time.monotonic()
            try:
                return function(*arguments, **options)
            finally:
                found.append(time.monotonic() - start)

        return run

    total = []
    RestorationRunner.train = timed(whole, total)
    RestorationRunner.save_checkpoint = timed(inner, spent)
    options = OPTIONS | {'train_cfg.max_iters': iterations, 'work_dir': str(folder)}
    train(load_config(ROOT / 'configs/m2restore_demo.py', options | {'val_dataloader': None}))
    return {'saves': len(spent), 'seconds each': spent, 'share': sum(spent) / total[0]}


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--every', type=float, default=120, help='seconds between faults')
    parser.add_argument('--saves', action='store_true', help='measure checkpoints instead')
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    if given.saves:
        found = share_of_saves(given.folder)
    else:
        found = run(given.folder, 60 * given.minutes, given.every)
    print(json.dumps(found, indent=1))
