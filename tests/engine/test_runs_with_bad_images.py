"""What bad image files do to a training and a test: real ones of the tiny config."""

import json
import os
from pathlib import Path

import pytest

from irbox.config.command_line import users_mistake
from irbox.config.load_config import load_config
from irbox.data_check import check_data
from irbox.datasets.read_image import BadImageError
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.prepare import prepare_training
from irbox.engine.test import test as score
from irbox.engine.train import dry_run, find_checkpoint, train
from support.bad_images import HIDDEN, REFUSED, flipped, image_bytes, specials
from support.paths import TINY


def write(folder, names=(), count=8):
    names = [f'{number}.png' for number in range(count)] or names
    for place in ('in', 'gt'):
        (folder / place).mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate(names):
            (folder / place / name).write_bytes(image_bytes(seed))
    return folder


def configured(root, work_dir, *, on_bad_sample='error', **options):
    dataset = {
        '_delete_': True,
        'type': 'PairedImageDataset',
        'data_root': str(root),
        'sources': {'rain': {'input': 'in', 'target': 'gt'}},
    }
    options = {key.replace('__', '.'): value for key, value in options.items()}
    training = {'patch_size': 16, 'on_bad_sample': on_bad_sample}
    sets = {
        'train_dataloader.dataset': dataset | training,
        'val_dataloader.dark.dataset': dataset,
        'val_dataloader.mixed': None,
        'work_dir': str(work_dir),
    }
    return load_config(TINY, sets | options)


def run(config, resume=None):
    train(config, None, find_checkpoint(config, resume))


def spoil(root, number, content, place='in'):
    (root / place / f'{number}.png').write_bytes(content)


@pytest.mark.parametrize('name', [name for name in REFUSED if name not in HIDDEN])
def test_a_bad_file_is_an_error_before_anything_is_written(name, tmp_path):
    root = write(tmp_path / 'data', count=3)
    make, _, reason = REFUSED[name]
    spoil(root, 1, make(), 'gt')
    config = configured(root, tmp_path / 'work')
    with pytest.raises(BadImageError) as caught:
        run(config)
    message = users_mistake(caught.value)
    assert message.startswith('train_dataloader: 1 of 6 image files cannot be used. The first: ')
    assert 'gt/1.png' in message and reason in message and 'on_bad_sample: skip' in message
    assert not (tmp_path / 'work').exists()
    # The tool that looks at data says the same.
    findings = [one for one in check_data(config).findings if one.kind == 'unreadable']
    assert findings and reason in findings[0].message


def test_pipes_devices_and_loops_are_errors_at_the_start(tmp_path):
    root = write(tmp_path / 'data', count=3)
    expected = specials(root / 'in')
    for name in expected:
        (root / 'gt' / name).write_bytes(image_bytes(0))
    (root / 'in' / 'folder.png').rmdir()
    with pytest.raises(BadImageError, match='4 of 14 image files cannot be used'):
        run(configured(root, tmp_path / 'work'))


def test_a_bad_file_of_a_validation_or_test_is_an_error_at_the_start(tmp_path):
    root, other = write(tmp_path / 'data', count=3), write(tmp_path / 'other', count=2)
    run(configured(root, tmp_path / 'work', train_cfg__max_iters=4))
    spoil(other, 1, b'')
    place = 'val_dataloader.dark.dataset'
    config = configured(root, tmp_path / 'again', **{f'{place}.data_root': str(other)})
    with pytest.raises(BadImageError, match=r'val_dataloader.dark: 1 of 4 .* 0 bytes'):
        run(config)
    config = configured(other, tmp_path / 'test')
    with pytest.raises(BadImageError, match=r'val_dataloader.dark: 1 of 4 .* 0 bytes'):
        score(config, tmp_path / 'work' / 'final.pth')
    config = configured(root, tmp_path / 'test', **{f'{place}.on_bad_sample': 'skip'})
    with pytest.raises(ValueError, match='skip is for training. A score counts all images'):
        score(config, tmp_path / 'work' / 'final.pth')


def test_damage_in_the_middle_of_a_clean_image_is_an_error_at_the_start(tmp_path):
    root, other = write(tmp_path / 'data', count=4), write(tmp_path / 'other', count=2)
    options = {'val_dataloader__dark__dataset__data_root': str(other)}
    spoil(root, 2, flipped(image_bytes(2)), 'gt')
    with pytest.raises(BadImageError, match=r'train_dataloader: 1 of 4 clean images are damaged'):
        run(configured(root, tmp_path / 'work', **options))
    spoil(root, 2, image_bytes(2), 'gt')
    spoil(other, 1, flipped(image_bytes(1)), 'gt')
    with pytest.raises(BadImageError, match=r'val_dataloader.dark: 1 of 2 .*other/gt/1.png'):
        run(configured(root, tmp_path / 'work', **options))
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize('workers', [0, 1])
def test_damage_that_is_met_later_costs_no_step(workers, tmp_path):
    root, other = write(tmp_path / 'data', count=30), write(tmp_path / 'other', count=1)
    options = {
        'val_dataloader__dark__dataset__data_root': str(other),
        'optim_wrapper__accumulative_counts': 1,
        'train_dataloader__num_workers': workers,
        'default_hooks__checkpoint': {'type': 'CheckpointHook', 'interval': 100},
    }
    run(configured(root, tmp_path / 'whole', **options))
    drawn = configured(root, tmp_path / 'work', **options)
    spoil(root, 7, flipped(image_bytes(7)))
    with pytest.raises(BadImageError, match='in/7.png'):
        run(drawn)
    (left,) = (tmp_path / 'work').glob('iter_*.pth')
    assert 0 < int(left.stem[5:]) < 12
    spoil(root, 7, image_bytes(7))
    run(configured(root, tmp_path / 'work', **options), resume='auto')
    one, two = (read_checkpoint(tmp_path / name / 'final.pth') for name in ('whole', 'work'))
    assert all(value.equal(two['state_dict'][key]) for key, value in one['state_dict'].items())


def weights(work_dir):
    return read_checkpoint(work_dir / 'iter_12.pth')['state_dict']


def test_skipped_files_are_counted_and_named_and_a_resumed_run_is_the_same(tmp_path, capsys):
    root, valid = write(tmp_path / 'data', count=4), write(tmp_path / 'valid', count=1)
    spoil(root, 1, REFUSED['16-bit RGB PNG'][0]())
    spoil(root, 2, flipped(image_bytes(2)), 'gt')
    options = {'on_bad_sample': 'skip', 'val_dataloader__dark__dataset__data_root': str(valid)}
    run(configured(root, tmp_path / 'whole', **options))
    output = capsys.readouterr()
    lines = (tmp_path / 'whole' / 'bad_samples.jsonl').read_text().split('\n')
    entries = [json.loads(line) for line in lines if line]
    told = f'{len(entries)} samples were left out, of 2 images that could not be used'
    assert told in output.out
    # Said at the start where that can be seen, once when it is drawn, and at the end.
    assert output.out.count('in/1.png') == output.out.count('gt/2.png') == 2
    assert output.err.count('in/1.png') == output.err.count('gt/2.png') == 1
    assert {Path(entry['problem'].split()[1]).name for entry in entries} == {'1.png', '2.png'}
    expected = weights(tmp_path / 'whole')

    run(configured(root, tmp_path / 'part', **options))
    for name in ('iter_12.pth', 'final.pth'):
        (tmp_path / 'part' / name).unlink()
    capsys.readouterr()
    run(configured(root, tmp_path / 'part', **options), resume='auto')
    assert all(value.equal(expected[key]) for key, value in weights(tmp_path / 'part').items())
    # Those from before the resume count, those that were drawn again count once.
    assert told in capsys.readouterr().out


def test_a_dry_run_that_skips(tmp_path, capsys):
    root = write(tmp_path / 'data')
    dry_run(configured(root, tmp_path / 'work', on_bad_sample='skip', leaks='ignore'))
    assert 'Dry run: nothing was written.' in capsys.readouterr().out


def test_what_another_run_left_out_is_not_said_to_be_of_this_one(tmp_path, capsys):
    root, valid = write(tmp_path / 'data', count=4), write(tmp_path / 'valid', count=1)
    options = {'on_bad_sample': 'skip', 'val_dataloader__dark__dataset__data_root': str(valid)}
    spoil(root, 1, b'no image')
    run(configured(root, tmp_path / 'work', **options))
    spoil(root, 1, image_bytes(1))
    capsys.readouterr()
    run(configured(root, tmp_path / 'work', **options))
    assert 'left out' not in capsys.readouterr().out
    assert (tmp_path / 'work/previous-1/bad_samples.jsonl').is_file()


def test_who_counts_skipped_files_is_switched_off_where_none_is_skipped(tmp_path):
    root = write(tmp_path / 'data', count=2)
    options = {'default_hooks__bad_samples': None, 'leaks': 'ignore'}
    prepared = prepare_training(configured(root, tmp_path / 'work', **options))
    assert 'bad_samples' not in prepared.sections['default_hooks']
    with pytest.raises(ValueError, match='bad_samples: null does not go with on_bad_sample: skip'):
        prepare_training(configured(root, tmp_path, on_bad_sample='skip', **options))


ODD = [b'two\nlines.png', b'-rf.png', b'\xff\xfe.png', b' .png', b'=cmd().png', b'<script>.png']


def test_odd_names(tmp_path, capsys):
    root = write(tmp_path / 'data', names=[os.fsdecode(name) for name in ODD], count=0)
    run(configured(root, tmp_path / 'work', train_cfg__max_iters=4))
    config = configured(root, tmp_path / 'test')
    rows = score(config, tmp_path / 'work' / 'final.pth', out=tmp_path / 'out')
    assert len(rows) and len(list((tmp_path / 'out').rglob('*.png'))) >= len(ODD)
    assert {one.kind for one in check_data(config).findings if one.serious} == {'leak'}
    (root / 'in' / os.fsdecode(ODD[0])).write_bytes(b'')
    (root / 'in' / os.fsdecode(ODD[2])).write_bytes(b'')
    with pytest.raises(BadImageError, match=r'two\\nlines.png') as caught:
        run(configured(root, tmp_path / 'again'))
    str(caught.value).encode()
    assert r'\udcff\udcfe.png' in str(caught.value)
