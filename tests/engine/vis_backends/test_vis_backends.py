"""A training by each back-end that needs no service: everything is there, also the images."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
import yaml

from support.paths import ROOT, TINY
from support.small_model import small_config

LOGGED = {'loss', 'loss_pixel', 'lr', 'grad_norm', 'dark/psnr', 'darker/psnr', 'mean/psnr'}
"""Losses, learning rate, norm of the gradient, scores of each task and their mean."""
SHARES = {f'experts/1/{task}/expert {n}' for task in ('dark', 'darker') for n in (1, 2, 3)}
IMAGES = {'val_dark', 'val_darker'}


def training(folder, backend, **environment):
    """Train a small network with experts, in a process of its own; gives its folder."""
    network = small_config()['model']['network'] | {'_delete_': True}
    config = {
        '_base_': str(TINY),
        'plugins': [str(TINY.with_name('tiny_parts.py'))],
        'model': {'network': network},
        'train_cfg': {'max_iters': 4, 'val_interval': 2},
        'val_dataloader': {
            '_delete_': True,
            'dataset': {'type': 'TinyPairs', 'length': 2, 'seed': 1},
        },
        'custom_hooks': [{'type': 'ValidationSamplesHook'}],
        'visualizer': {'vis_backends': [{'type': 'LocalVisBackend'}, backend]},
    }
    (folder / 'logged.yaml').write_text(yaml.safe_dump(config))
    # Into a file: helpers that a back-end leaves running would keep a pipe open.
    with open(folder / 'said.txt', 'w') as said:
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools/train.py'), 'logged.yaml', '--work-dir', 'run'],
            env=os.environ | {'OMP_NUM_THREADS': '1', 'HOME': str(folder)} | environment,
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    assert done.returncode == 0, (folder / 'said.txt').read_text()
    return folder / 'run'


def scalars(run):
    """What the local back-end wrote: name -> value by step."""
    (log,) = run.glob('*/vis_data/scalars.json')
    found = {}
    for line in map(json.loads, log.read_text().splitlines()):
        for name, value in line.items():
            found.setdefault(name, {})[line['step']] = value
    return found


@pytest.mark.slow
def test_local_and_tensorboard(tmp_path):
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    run = training(tmp_path, {'type': 'TensorboardVisBackend'})
    local = scalars(run)
    assert set(local) >= LOGGED | SHARES
    assert set(local['mean/psnr']) == {2, 4}
    two = [local[f'{task}/psnr'][4] for task in ('dark', 'darker')]
    assert local['mean/psnr'][4] == pytest.approx(sum(two) / 2)
    for task in ('dark', 'darker'):
        shares = [local[f'experts/1/{task}/expert {n}'][4] for n in (1, 2, 3)]
        assert sum(shares) == pytest.approx(2)  # two experts for each pixel
    images = {path.name for path in run.glob('*/vis_data/vis_image/*.png')}
    assert images == {f'{name}_{step}.png' for name in IMAGES for step in (2, 4)}
    (folder,) = run.glob('*/vis_data')
    events = accumulator.EventAccumulator(str(folder)).Reload()
    assert set(events.Tags()['scalars']) >= LOGGED | SHARES
    assert set(events.Tags()['images']) == IMAGES
    assert [one.value for one in events.Scalars('grad_norm')] == pytest.approx(
        list(local['grad_norm'].values())
    )


@pytest.mark.slow
def test_wandb_offline(tmp_path):
    pytest.importorskip('wandb')
    backend = {'type': 'WandbVisBackend', 'init_kwargs': {'project': 'irbox', 'mode': 'offline'}}
    run = training(tmp_path, backend)
    (record,) = run.glob('*/vis_data/wandb/offline-run-*/run-*.wandb')
    content = record.read_bytes()
    for name in LOGGED | SHARES | IMAGES:
        assert name.encode() in content
    assert len(list(record.parent.glob('files/media/images/val_dark_*.png'))) == 2


@pytest.mark.slow
def test_mlflow_in_files(tmp_path, monkeypatch):
    mlflow = pytest.importorskip('mlflow')
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    run = training(tmp_path, {'type': 'MLflowVisBackend'})
    (store,) = run.glob('*/vis_data')
    client = mlflow.MlflowClient(store.as_uri())
    (found,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    local = scalars(run)
    assert set(found.data.metrics) >= LOGGED | SHARES
    history = {one.step: one.value for one in client.get_metric_history(found.info.run_id, 'loss')}
    assert history == pytest.approx(local['loss'])
    names = {one.path for one in client.list_artifacts(found.info.run_id)}
    assert {f'{name}_{step}.png' for name in IMAGES for step in (2, 4)} <= names
    assert found.data.params['train_cfg.max_iters'] == '4'


@pytest.mark.slow
def test_clearml_offline(tmp_path):
    pytest.importorskip('clearml')
    backend = {
        'type': 'ClearMLVisBackend',
        'init_kwargs': {
            'project_name': 'irbox',
            'task_name': 'tiny',
            'auto_connect_frameworks': False,
        },
    }
    training(tmp_path, backend, CLEARML_OFFLINE_MODE='1', CLEARML_CACHE_DIR=str(tmp_path / 'cache'))
    (archive,) = tmp_path.rglob('offline-*.zip')
    with zipfile.ZipFile(archive) as session:
        metrics = session.read('metrics.jsonl').decode()
        names = session.namelist()
    for name in LOGGED | SHARES:
        assert json.dumps(name) in metrics
    for name in IMAGES:
        assert any(f'/{name}/' in one for one in names)


@pytest.mark.slow
def test_aim_in_files(tmp_path):
    pytest.importorskip('aim')
    training(tmp_path, {'type': 'AimVisBackend', 'init_kwargs': {'repo': '.'}})
    content = b''.join(path.read_bytes() for path in tmp_path.glob('.aim/meta/chunks/*/*'))
    for name in LOGGED | SHARES | IMAGES:
        assert name.encode() in content
