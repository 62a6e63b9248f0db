import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image

from irbox.commands import show_data
from irbox.config.load_config import load_config
from irbox.engine.train import train
from irbox.registry import HOOKS
from support.paths import ROOT, TINY

DEMOS = sorted(
    [*ROOT.glob('configs/*_demo.py'), *ROOT.glob('configs/plugins/*_demo.yaml')],
    key=lambda path: path.name,
)
CONFIG = ROOT / 'configs' / '_base_' / 'datasets' / 'embedded_demo.yaml'


def show(folder, *arguments):
    """Run the tool as a user does, from a folder that is not the project's."""
    command = [sys.executable, str(ROOT / 'tools' / 'show_data.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_writes_a_sheet(tmp_path):
    result = show(
        tmp_path, CONFIG, '--num', 3, '--cfg-options', 'train_dataloader.dataset.patch_size=32'
    )
    assert result.returncode == 0, result.stderr
    sheet = Image.open(tmp_path / 'work_dirs' / 'embedded_demo' / 'data.png')
    assert '3 samples: work_dirs/embedded_demo/data.png' in result.stdout
    assert sheet.width > 4 * 200
    assert np.asarray(sheet).std() > 20


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.yaml'], 'none.yaml does not exist'),
        ([CONFIG, '--out', 'sheet.gif'], 'must end in .png'),
        ([CONFIG, '--num', '0'], 'at least 1'),
    ],
)
def test_mistakes_get_one_message_and_leave_nothing(tmp_path, arguments, message):
    result = show(tmp_path, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert 'Traceback' not in result.stderr
    assert not list(tmp_path.iterdir())


def test_missing_data_gets_one_message(tmp_path):
    """The same for what the data set finds, without a second start of Python per case."""
    result = show(tmp_path, CONFIG.with_name('allweather.yaml'))
    assert result.returncode == 2
    assert result.stderr.startswith(
        'Error: train_dataloader: Data folder data/allweather does not '
    )
    assert result.stderr.count('\n') == 1


@HOOKS.register_module()
class _BatchHook(Hook):
    """Keeps what a training reads."""

    batches = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.batches.append(data_batch)


def samples_of_a_training(path, work_dir, **options):
    """The samples of two iterations, with a network that takes no time."""
    tiny = load_config(TINY)
    config = load_config(
        path,
        {
            'plugins': tiny.plugins,
            'model': {'_delete_': True, **tiny.model.to_dict()},
            'custom_hooks': [{'type': '_BatchHook'}],
            'val_dataloader': None,
            'val_cfg': None,
            'val_evaluator': None,
            'train_cfg.max_iters': 2,
            'work_dir': str(work_dir),
            **options,
        },
    )
    _BatchHook.batches.clear()
    train(config)
    return [
        {key: values[index] for key, values in batch.items()}
        for batch in _BatchHook.batches
        for index in range(len(batch['image']))
    ]


def shown_samples(path, number, **options):
    """The samples that the tool draws."""
    config = load_config(path, options, sections=['train_dataloader'])
    return show_data.draw_samples(config, number)


def assert_equal_to_the_bit(shown, seen):
    assert len(shown) == len(seen)
    for one, two in zip(shown, seen, strict=True):
        assert one.keys() == two.keys()
        for key, value in one.items():
            equal = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert equal(value, two[key]), key


def test_there_are_demo_configs():
    assert len(DEMOS) >= 11


@pytest.mark.parametrize('path', DEMOS, ids=[path.name for path in DEMOS])
def test_shows_what_a_training_sees(path, tmp_path):
    options = {'randomness.seed': 3, 'train_dataloader.batch_size': 3}
    seen = samples_of_a_training(path, tmp_path, **options)
    assert_equal_to_the_bit(shown_samples(path, 6, **options), seen)


def test_every_task_is_shown(tmp_path):
    """Also one that is drawn once in a thousand times."""
    for name in ('a/input/1', 'a/target/1', 'b/input/1', 'b/target/1'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (16, 16)).save(tmp_path / f'{name}.png')
    config = tmp_path / 'config.yaml'
    config.write_text(
        'train_dataloader:\n  dataset:\n    type: PairedImageDataset\n    patch_size: 8\n'
        f'    data_root: {tmp_path}\n    sources:\n'
        '      often: {input: a/input, target: a/target, repeat: 100000}\n'
        '      seldom: {input: b/input, target: b/target}\n'
    )
    options = load_config(config, {}, sections=['train_dataloader'])
    labels = [one['label'] for one in show_data.draw_samples(options, 12, every_task=True)]
    assert labels == 12 * ['often'] + ['seldom']
    shown = show_data.draw_samples(load_config(CONFIG), 1, every_task=True)
    assert len({one['label'] for one in shown}) == len(shown) > 4


def test_another_seed_shows_other_samples():
    names = [
        [sample['name'] for sample in shown_samples(DEMOS[0], 4, **{'randomness.seed': seed})]
        for seed in (0, 3)
    ]
    assert names[0] != names[1]


def test_a_config_that_names_no_sampler(tmp_path):
    """What it leaves out is the training's default, whose order is drawn, too."""
    seen = samples_of_a_training(TINY, tmp_path, **{'randomness.seed': 5})
    shown = shown_samples(TINY, 3, **{'randomness.seed': 5})
    assert_equal_to_the_bit(shown, seen[:3])
    assert [sample['name'] for sample in seen] != [f'square_{i}' for i in range(4)]


def test_noise_beyond_black_and_white_is_cut_off():
    values = torch.tensor([-0.2, 0.5, 1.2]).view(1, 1, 3).expand(3, 3, 3)
    sample = {'image': values, 'target': values.clip(0, 1), 'label': 'noise', 'name': '1'}
    (degraded, _), (clean, _) = show_data.picture_and_caption(sample)
    np.testing.assert_array_equal(degraded, clean)
