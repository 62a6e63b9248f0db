"""Training and testing with a pretrained prior, end to end, on a small file as released."""

import runpy

import pytest

from irbox.config.command_line import run_tool
from irbox.engine.checkpoint import read_checkpoint
from support.daclip_files import TINY_ARCH, write_daclip_file
from support.paths import ROOT

CONFIG = """
_base_ = [{base!r}]

model = dict(
    network=dict(
        dim=8,
        depths=[1, 1, 1, 1],
        prior=dict(
            _delete_=True, type='DACLIPPrior', preset='m2restore_paper', arch={arch!r},
            checkpoint={file!r},
        ),
    ),
    losses=dict(label=None),
)
train_dataloader = dict(batch_size=1, num_workers=0, dataset=dict(patch_size=32, dead_leaves=0))
val_dataloader = dict(dataset=dict(size=32, crops=1))
train_cfg = dict(max_iters=2, val_interval=2)
param_scheduler = []
"""


def tool(name, *arguments):
    main = runpy.run_path(str(ROOT / 'tools' / name))['main']
    try:
        run_tool(lambda: main([str(argument) for argument in arguments]))
    except SystemExit as leaving:
        return leaving.code
    return 0


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('daclip')
    write_daclip_file(folder / 'daclip.pt', 'raw', seed=0)
    write_daclip_file(folder / 'other.pt', 'raw', seed=1)
    config = folder / 'config.py'
    base = str(ROOT / 'configs/m2restore_demo.py')
    config.write_text(
        CONFIG.format(base=base, arch=TINY_ARCH, file=str(folder / 'daclip.pt')), encoding='utf-8'
    )
    assert tool('train.py', config, '--work-dir', folder / 'work') == 0
    return folder


@pytest.mark.parametrize('name', ['final.pth', 'iter_2.pth'])
def test_the_prior_is_recorded_and_not_saved(trained, name):
    checkpoint = read_checkpoint(trained / 'work' / name)
    assert checkpoint['state_dict']
    for key, part in checkpoint.items():
        if key.endswith('state_dict'):
            assert not [name for name in part if 'prior.' in name]
    record = checkpoint['meta']['frozen']['network.prior']
    assert record['file'] == 'daclip.pt'
    assert len(record['sha256']) == 64
    assert record['words'][0] == 'hazy'


def test_testing_with_the_same_prior(trained):
    arguments = (trained / 'work/final.pth', '--work-dir', trained / 'test')
    assert tool('test.py', trained / 'config.py', *arguments) == 0
    assert (trained / 'test/results.json').is_file()


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('checkpoint={other}', 'sha256'),
        ('words=[hazy,noisy,raindrop,rainy,snowy,shadowed]', 'words'),
    ],
)
def test_testing_with_another_prior_is_refused(trained, capsys, option, message):
    option = option.format(other=trained / 'other.pt')
    arguments = (trained / 'work/final.pth', '--work-dir', trained / 'refused')
    options = ('--cfg-options', f'model.network.prior.{option}')
    assert tool('test.py', trained / 'config.py', *arguments, *options) == 2
    assert message in capsys.readouterr().err
    assert not (trained / 'refused').exists()


def test_testing_without_the_prior_is_refused(trained, capsys):
    arguments = (trained / 'work/final.pth', '--work-dir', trained / 'refused')
    options = (
        'model.network.prior._delete_=True',
        'model.network.prior.type=FrozenRandomPrior',
        'model.network.prior.num_degradations=6',
        f'model.network.prior.feature_dim={TINY_ARCH["embed_dim"]}',
    )
    assert tool('test.py', trained / 'config.py', *arguments, '--cfg-options', *options) == 2
    assert 'frozen part network.prior (DACLIPPrior, file daclip.pt)' in capsys.readouterr().err
