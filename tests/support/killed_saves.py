"""Kills a training before and after every system call of one save; run with the shim loaded.

Prints a line of JSON: places of the save, and for each kill what was found and what came of it.
"""

import ctypes
import itertools
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import torch
from mmengine.hooks import Hook

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.train import find_checkpoint, train
from irbox.registry import HOOKS
from support.paths import TINY

SAVED_AT = 8
MOST = 100


@HOOKS.register_module()
class ArmHook(Hook):
    """Arms the shim just before a save, and disarms it after."""

    priority = 'LOW'

    def __init__(self, place: int):
        self.place = place

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == SAVED_AT:
            SHIM.arm(self.place)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == SAVED_AT:
            SHIM.disarm()


def run(folder, resume=None, place=None, until=12):
    """Train in a process of its own; gives how it ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    with open(os.devnull, 'w') as nowhere:
        os.dup2(nowhere.fileno(), 1)
    options = {'work_dir': str(folder), 'train_cfg.max_iters': until}
    options |= {'default_hooks.watchdog': None, 'model.network.norm': False}
    # It writes by the clock: on a busy machine in the middle of the save.
    options |= {'default_hooks.progress': None}
    # One that does not depend on the length.
    options |= {'param_scheduler': None}
    # No validation beside the save, and older files that it deletes.
    options |= {'train_cfg.val_interval': 100, 'val_cfg': None, 'val_dataloader': None}
    options |= {'val_evaluator': None}
    checkpoint = {'type': 'CheckpointHook', 'interval': 2, 'max_keep_ckpts': 2, 'save_best': None}
    options |= {'default_hooks.checkpoint': checkpoint}
    if place is not None:
        options['custom_hooks'] = [{'type': 'ArmHook', 'place': place}]
    config = load_config(TINY, options)
    try:
        train(config, None, find_checkpoint(config, resume))
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def weights(folder):
    return read_checkpoint(folder / 'iter_12.pth')['state_dict']


def state_of(folder):
    """Give what a kill left: names and lengths, and what the notes say."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            # The number of a process is in a temporary file's name.
            name, _, number = path.name.partition('.tmp.')
            text = path.read_text() if name == 'last_checkpoint' else ''
            length = path.stat().st_size if name.startswith('iter_') else 0
            found.append((name, bool(number), length, text))
    return tuple(found)


def main(root):
    whole, begun = root / 'whole', root / 'begun'
    assert run(whole) == 0
    wanted = weights(whole)
    assert run(begun, until=6) == 0
    failures, seen = [], set()
    for place in itertools.count():
        folder = root / 'killed'
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(begun, folder)
        ended = run(folder, 'auto', place)
        if ended == 0 or place > MOST:
            # The save has no such place: the one before was its last.
            break
        if ended != signal.SIGKILL:
            failures.append((place, f'ended with {ended}'))
            continue
        state = state_of(folder)
        if state in seen:
            # Of several places that leave the same files, one is resumed.
            continue
        seen.add(state)
        if run(folder, 'auto') != 0:
            failures.append((place, 'not resumed', sorted(os.listdir(folder))))
        elif not all(torch.equal(weights(folder)[key], wanted[key]) for key in wanted):
            failures.append((place, 'other weights'))
        elif left := [name for name in os.listdir(folder) if '.tmp.' in name]:
            failures.append((place, 'left', left))
    print(json.dumps({'places': place, 'states': len(seen), 'failures': failures}))


if __name__ == '__main__':
    SHIM = ctypes.CDLL(os.environ['SHIM'])
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
