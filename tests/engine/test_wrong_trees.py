"""What users do wrong with trees of data: each one message, and nothing trained."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from irbox.commands.main import main
from irbox.config.command_line import run_tool, users_mistake
from irbox.config.load_config import load_config
from irbox.data_check import check_data
from irbox.datasets import image_store, paired_image_dataset
from irbox.datasets.read_image import BadImageError
from irbox.engine import compat
from irbox.engine.prepare import prepare_training
from irbox.engine.train import find_checkpoint, train
from support.paths import TINY
from support.wrong_trees import TRAIN, TREES, plant


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    compat.init()


def configured(root, source=None, tested=None, **options):
    """A training on the tree's training half, with a test on its test half."""

    def section(split, own):
        declared = {'set': str(root / 'mine.yaml'), 'split': split, 'root': '.'}
        sources = {'rain': declared | (own or {})}
        if sources['rain']['set'] is None:
            sources['rain'] = {key: sources['rain'][key] for key in ('input', 'target')}
        return {'type': 'PairedImageDataset', 'data_root': str(root), 'sources': sources}

    train_set = section('train', source) | {'_delete_': True, 'patch_size': 16}
    sets = {
        'train_dataloader.dataset': train_set,
        'test_dataloader': {'dataset': section('test', tested)},
        'work_dir': str(root / 'work'),
    }
    return load_config(TINY, sets | options)


@pytest.fixture
def root(tmp_path):
    data = tmp_path / 'data'
    data.mkdir()
    plant(data)
    return data


def refused(config):
    """Give the one message of a training that does not begin."""
    with pytest.raises((ValueError, OSError)) as caught:
        train(config, None, find_checkpoint(config, None))
    message = users_mistake(caught.value)
    assert message and not Path(config.work_dir).exists()
    return message


def test_the_right_tree_is_trained_on_without_a_word(root):
    notes = prepare_training(configured(root)).notes
    assert not [note for note in notes if 'WARNING' in note] and '6 pairs' in notes[0]


@pytest.mark.parametrize('tree', TREES, ids=str)
def test_one_message_and_nothing_trained(tree, root):
    tree.spoil(root)
    config = configured(root, tree.source, tree.tested, **tree.options)
    if not tree.says:
        notes = prepare_training(config).notes
        assert not [note for note in notes if 'WARNING' in note] and '6 pairs' in notes[0]
        assert not [one for one in check_data(config).findings if one.serious]
        return
    message = refused(config)
    assert [part for part in tree.says if part not in message] == []
    assert tree.by_hand == ('strict_data=false' in message)
    if tree.by_hand:
        config = configured(root, tree.source, tree.tested, strict_data=False)
        warnings = [note for note in prepare_training(config).notes if 'WARNING: ' in note]
        assert warnings and all(note.removeprefix('WARNING: ') in message for note in warnings)
        assert any(one.serious for one in check_data(config).findings)


@pytest.mark.parametrize(
    'selection',
    [
        {'allow_list': 'four.txt'},
        {'exclude_ids': {'pattern': r'rain-(\d+)', 'first': 4, 'last': 5}},
    ],
    ids=str,
)
def test_a_part_of_a_set_that_is_named_is_trained_on(selection, root):
    (root / 'four.txt').write_text(''.join(f'rain-{i}.png\n' for i in range(4)))
    notes = prepare_training(configured(root, selection)).notes
    assert [note for note in notes if 'WARNING' in note] == [
        'WARNING: Data source rain: mine (train) is known with 6 pairs; 4 were found.'
    ]


def test_the_command_refuses_a_part_of_a_set_with_one_message(root, capsys):
    for side in ('input', 'gt'):
        (root / 'train' / side / TRAIN[5]).unlink()
    path = root / 'config.yaml'
    configured(root).dump(path)
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: main(['train', str(path)]))
    (said,) = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and said.startswith('Error: train_dataloader: ')
    assert 'known with 6 pairs; 5 were found' in said and 'strict_data=false' in said
    assert not (root / 'work').exists()


def test_the_same_part_by_hand_is_warned_of_once(root, capsys):
    for side in ('input', 'gt'):
        (root / 'train' / side / TRAIN[5]).unlink()
    prepare_training(configured(root, strict_data=False))
    said = capsys.readouterr()
    assert (said.out + said.err).count('known with 6 pairs; 5 were found') == 1


def vanish_after(reads, root, monkeypatch):
    """Take the tree away after so many images were read for the training."""
    real, count = paired_image_dataset.open_image, [0]

    def open_image(path):
        count[0] += 1
        if count[0] == reads:
            shutil.move(root / 'train', root / 'away')
        return real(path)

    monkeypatch.setattr(paired_image_dataset, 'open_image', open_image)


def test_a_mount_that_vanishes_in_the_middle(root, monkeypatch):
    options = {'default_hooks.checkpoint': {'type': 'CheckpointHook', 'interval': 4}}
    config = configured(root, **options)
    # Two images for each of two pairs of an iteration: after six or seven of twelve.
    vanish_after(28, root, monkeypatch)
    with pytest.raises(BadImageError) as caught:
        train(config, None, find_checkpoint(config, None))
    message = users_mistake(caught.value)
    assert f'{root}/train/' in message and 'does not exist' in message and '\n' not in message
    work = root / 'work'
    assert (work / 'iter_4.pth').exists() and not (work / 'final.pth').exists()
    shutil.move(root / 'away', root / 'train')
    config = configured(root, **options)
    train(config, None, find_checkpoint(config, 'auto'))
    assert (work / 'final.pth').exists()


def test_a_mount_that_vanishes_while_bad_images_are_skipped(root, monkeypatch):
    config = configured(root, **{'train_dataloader.dataset.on_bad_sample': 'skip'})
    vanish_after(10, root, monkeypatch)
    with pytest.raises(BadImageError, match='None of 100 pairs of rain drawn in a row') as caught:
        train(config, None, find_checkpoint(config, None))
    assert '\n' not in users_mistake(caught.value)


def test_a_mount_whose_handles_are_stale(root, monkeypatch):
    def stale(path):
        raise OSError(errno.ESTALE, 'Stale file handle', str(path))

    monkeypatch.setattr(image_store, 'check_regular', stale)
    message = refused(configured(root))
    assert '12 of 12 image files cannot be used' in message and 'Stale file handle' in message


def test_a_mount_that_vanishes_while_it_is_listed(root, monkeypatch):
    config, scandir = configured(root), os.scandir

    def broken(folder):
        if str(folder).startswith(str(root)):
            raise OSError(errno.EIO, 'Input/output error', str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, 'scandir', broken)
    message = refused(config)
    assert 'Input/output error' in message and str(root) in message
