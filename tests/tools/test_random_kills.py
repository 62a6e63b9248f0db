"""Commands killed with SIGKILL at random moments and started again: nothing lost, nothing twice.

``KILLS=20 pytest tests/tools/test_random_kills.py`` kills each twenty times.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from PIL import Image

from irbox.engine.checkpoint import read_checkpoint
from irbox.pictures.record import read_record
from support.paths import ROOT, TINY
from support.picture_files import photograph
from support.tiny_model import tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
KILLS = int(os.environ.get('KILLS', 4))
ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1', 'HF_HUB_OFFLINE': '1'}


def start(*command):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=ENVIRONMENT,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(*command, code=0):
    began = time.monotonic()
    process = start(*command)
    said = process.communicate(timeout=600)[0]
    assert process.returncode == code, said
    return time.monotonic() - began


def kill_and_finish(seconds, *command, whole_group=True):
    """Kill ``KILLS`` starts of a command that takes so long, then let it end.

    Starting takes most of that time; half of the kills are for what comes after it.
    """
    generator = random.Random(1)
    killed = 0
    for number in range(KILLS):
        process = start(*command)
        time.sleep(generator.uniform(0 if number % 2 else 0.3 * seconds, 0.8 * seconds))
        if process.poll() is None:
            killed += 1
            if whole_group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.communicate(timeout=600)
    finish(*command)
    # What earlier starts have done, later ones need not: some end before they are killed.
    assert killed


def test_training_with_accumulation_averages_half_precision_and_workers(tmp_path):
    config = tmp_path / 'a.yaml'
    config.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\namp: bf16\n'
        'train_dataloader: {num_workers: 1, persistent_workers: true}\n'
        'train_cfg: {max_iters: 24}\n'
        'custom_hooks: [{type: SlowHook, seconds: 0.2}]\n'
        'default_hooks: {checkpoint: {type: CheckpointHook, interval: 2, max_keep_ckpts: 2}}\n'
    )
    command = [ROOT / 'tools/train.py', config, '--resume', '--work-dir']
    seconds = finish(*command, tmp_path / 'whole')
    kill_and_finish(seconds, *command, tmp_path / 'killed')
    one, two = (read_checkpoint(tmp_path / name / 'iter_24.pth') for name in ('whole', 'killed'))
    for key in ('state_dict', 'ema_state_dict'):
        assert one[key].keys() == two[key].keys()
        assert all(torch.equal(one[key][name], two[key][name]) for name in one[key])
    assert one['meta']['draws'] == two['meta']['draws']
    hubs = [state['message_hub']['log_scalars'] for state in (one, two)]
    values = [hub['train/loss'][0] for hub in hubs]
    assert values[0] == values[1] and len(values[0]) == 24


def test_restoring(tmp_path):
    tiny_model().save(tmp_path / 'model')
    pictures = tmp_path / 'pictures'
    pictures.mkdir()
    for number in range(24):
        Image.fromarray(photograph()).rotate(9 * number).resize((320, 240)).save(
            pictures / f'{number:02}.png'
        )
    command = ['-m', 'irbox', 'restore', pictures, '--model', tmp_path / 'model', '--out']
    whole, killed, done = tmp_path / 'whole', tmp_path / 'killed', tmp_path / 'done'
    seconds = finish(*command, whole)
    kill_and_finish(seconds, *command, killed, '--done-list', done)
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in killed.iterdir()) and len(names) == 24
    for name in names:
        one, two = (Image.open(folder / name) for folder in (whole, killed))
        assert one.tobytes() == two.tobytes()
        assert read_record(killed / name)
    lines = [json.loads(line) for line in done.read_text().splitlines() if line.endswith('}')]
    finished = [line['source'] for line in lines if line['state'] == 'done']
    assert len(finished) == len(set(finished)) == 24, 'nothing lost, nothing done twice'


def test_scenes(tmp_path):
    command = ['-m', 'irbox', 'make-scenes', '--num', 8, '--size', 64]
    seconds = finish(*command, tmp_path / 'whole')
    kill_and_finish(seconds, *command, tmp_path / 'killed')
    one, two = (
        {path.name: path.read_bytes() for path in sorted(folder.rglob('*')) if path.is_file()}
        for folder in (tmp_path / 'whole', tmp_path / 'killed')
    )
    assert one == two and len(one) >= 8


@pytest.mark.parametrize('whole_group', [True, False], ids=['all processes', 'the sweep alone'])
def test_a_sweep(whole_group, tmp_path):
    sweep = tmp_path / 'sweep.yaml'
    rows = [{'name': f'w{width}', 'options': {'model.network.width': width}} for width in (4, 6)]
    base = tmp_path / 'base.yaml'
    base.write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}]\n'
        'test_dataloader: {dark: {dataset: {type: TinyPairs, labels: [dark], length: 3}}}\n'
        'test_evaluator: {type: RestorationMetric, protocol: aio}\n'
    )
    content = {'title': 'Widths', 'bases': {'tiny': str(base)}, 'seeds': [0], 'rows': rows}
    sweep.write_text(yaml.safe_dump(content))
    command = [ROOT / 'tools/sweep.py', sweep, '--size', '16x16', '--work-dir']
    seconds = finish(*command, tmp_path / 'whole')
    kill_and_finish(seconds, *command, tmp_path / 'killed', whole_group=whole_group)
    for row in ('w4', 'w6'):
        scores = []
        for name in ('whole', 'killed'):
            (found,) = (tmp_path / name).glob(f'{row}*/results.json')
            scores.append(json.loads(found.read_text()))
        assert scores[0] == scores[1]
