import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from irbox.commands.main import main
from irbox.config.load_config import load_config
from irbox.datasets import PairedImageDataset
from irbox.datasets.image_store import file_length, file_state, file_states, open_file
from irbox.datasets.packed.packed_index import open_index, shard_file
from irbox.datasets.packed.packed_pairs import PackedPairs
from irbox.datasets.packed.write_packed import write_packed
from irbox.datasets.pairs.pairs import ImagePair

NUMBER = 7


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for number in range(NUMBER):
        both = []
        for side in ('hazy', 'clear'):
            path = tmp_path / side / f'ä {number}.png'
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (24, 20, 3), np.uint8)).save(path)
            both.append(path)
        found.append(ImagePair(*both, 'haze' if number % 2 else 'rain'))
    return found


def write(folder, pairs, **options):
    titles = [pair.degraded.stem for pair in pairs]
    return list(
        write_packed(
            folder,
            pairs,
            titles,
            {'title': 't', 'declared': '', 'named': ''},
            per_shard=3,
            **options,
        )
    )


def test_pairs_come_back_to_the_byte(tmp_path, pairs):
    folder = tmp_path / 'set.packed'
    pairs[2] = pairs[2]._replace(degraded=pairs[2].clean)
    steps = write(folder, pairs)
    assert steps[-1] == NUMBER and steps == sorted(steps)
    packed = PackedPairs(folder)
    assert len(packed) == NUMBER
    assert packed.all_labels().tolist() == [pair.label for pair in pairs]
    for number, pair in enumerate(pairs):
        found = packed[number]
        assert found.label == pair.label and packed.title(number) == pair.degraded.stem
        for there, here in zip(found[:2], pair[:2], strict=True):
            assert there.name == here.name
            assert open_file(there).read() == here.read_bytes()
            assert file_length(there) == here.stat().st_size == file_state(there).length
            assert file_states([there, here]) == {one: file_state(one) for one in (there, here)}
    assert packed[2].degraded == packed[2].clean
    assert packed[-1] == packed[NUMBER - 1] and packed[1:3] == [packed[1], packed[2]]
    with pytest.raises(IndexError):
        packed[NUMBER]
    with pytest.raises(FileNotFoundError, match='no image'):
        open_file(folder / 'input-99' / 'x.png')


def test_shards_are_webdatasets(tmp_path, pairs):
    """Samples are files of one key, one after the other."""
    write(tmp_path / 'set.packed', pairs)
    names = []
    for path in sorted((tmp_path / 'set.packed').glob('*.tar')):
        with tarfile.open(path) as archive:
            names += archive.getnames()
    keys = [name.partition('.')[0] for name in names]
    assert keys == sorted(keys) and len(set(keys)) == NUMBER
    assert {name.partition('.')[2] for name in names} == {'json', 'input.png', 'target.png'}
    webdataset = pytest.importorskip('webdataset')
    urls = [str(path) for path in sorted((tmp_path / 'set.packed').glob('*.tar'))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode('pil'))
    assert [one['json']['label'] for one in samples] == [pair.label for pair in pairs]
    np.testing.assert_array_equal(samples[4]['input.png'], Image.open(pairs[4].degraded))


def test_stopped_and_gone_on(tmp_path, pairs):
    whole = tmp_path / 'whole.packed'
    write(whole, pairs)
    folder = tmp_path / 'set.packed'
    steps = write_packed(folder, pairs, [p.degraded.stem for p in pairs], {}, per_shard=3)
    while next(steps) < 4:
        pass
    steps.close()
    assert {path.name for path in folder.iterdir()} == {'plan.json', 'set-000000.tar'}
    with pytest.raises(FileNotFoundError, match='has not ended'):
        open_index(folder)
    first = shard_file(folder, 0).stat()
    write(folder, pairs)
    assert shard_file(folder, 0).stat().st_mtime_ns == first.st_mtime_ns
    for number in range(3):
        assert shard_file(folder, number).read_bytes() == shard_file(whole, number).read_bytes()


def test_what_lies_there_is_compared(tmp_path, pairs):
    """Files of the same names and number may be others."""
    folder = tmp_path / 'set.packed'
    write(folder, pairs)
    others = [pair._replace(degraded=pair.clean, clean=pair.degraded) for pair in pairs]
    with pytest.raises(ValueError, match=r'holds other pairs than the config .*set\.packed\.$'):
        write(folder, others)
    with pytest.raises(ValueError, match='holds other pairs'):
        write(folder, [pair._replace(label='snow') for pair in pairs])
    with pytest.raises(ValueError, match='holds other pairs'):
        list(write_packed(folder, pairs, list('abcdefg'), {}, per_shard=3))
    assert len(open_index(folder)) == NUMBER
    # Without a plan, as older versions packed, or with files that were touched.
    (folder / 'plan.json').unlink()
    first = shard_file(folder, 0).stat()
    write(folder, pairs)
    assert shard_file(folder, 0).stat().st_mtime_ns == first.st_mtime_ns
    os.utime(pairs[0].clean, (1, 1))
    write(folder, pairs)
    shard_file(folder, 1).write_bytes(b'x')
    (folder / 'plan.json').unlink()
    with pytest.raises(ValueError, match='holds other pairs'):
        write(folder, pairs)


def test_going_on_after_the_files_changed(tmp_path, pairs):
    folder = tmp_path / 'set.packed'
    steps = write_packed(folder, pairs, [p.degraded.stem for p in pairs], {}, per_shard=3)
    while next(steps) < 4:
        pass
    steps.close()
    pairs[0].clean.write_bytes(pairs[1].clean.read_bytes())
    with pytest.raises(ValueError, match=r'set-000000\.tar holds other pairs'):
        write(folder, pairs)


def test_shards_of_a_longer_set_go(tmp_path, pairs):
    write(tmp_path / 'set.packed', pairs)
    write(tmp_path / 'set.packed', pairs[:3])
    assert [path.name for path in (tmp_path / 'set.packed').glob('*.tar')] == ['set-000000.tar']


def test_a_folder_may_be_renamed_and_linked(tmp_path, pairs):
    write(tmp_path / 'set.packed', pairs)
    renamed = (tmp_path / 'set.packed').rename(tmp_path / 'other.packed')
    (tmp_path / 'link.packed').symlink_to(renamed)
    for name in ('other', 'link'):
        read = open_file(PackedPairs(tmp_path / f'{name}.packed')[6].clean).read()
        assert read == pairs[6].clean.read_bytes()
    (tmp_path / 'link').symlink_to(renamed)
    for packed in (5, 'link'):
        with pytest.raises(ValueError, match=f'packed={packed!r} must be'):
            PairedImageDataset({'haze': {'packed': packed}}, tmp_path)
    # Older versions did not note how shards are named.
    about = json.loads((renamed / 'about.json').read_text())
    del about['stem']
    (renamed / 'about.json').write_text(json.dumps(about))
    open_index.cache_clear()
    with pytest.raises(FileNotFoundError, match=r'has no other-000000\.tar.* its old name'):
        PackedPairs(renamed)


def test_what_is_refused(tmp_path, pairs):
    with pytest.raises(ValueError, match='ends in .packed'):
        write(tmp_path / 'set', pairs)
    write(tmp_path / 'set.packed', pairs)
    with pytest.raises(ValueError, match='holds other pairs'):
        write(tmp_path / 'set.packed', pairs[:2])
    pairs[1].clean.write_bytes(b'x')
    with pytest.raises(ValueError, match='ä 1'):
        write(tmp_path / 'bad.packed', pairs)
    with pytest.raises(FileNotFoundError, match='no packed set'):
        PairedImageDataset({'haze': {'packed': 'nothing.packed'}}, tmp_path)
    with pytest.raises(ValueError, match="takes no 'label'"):
        PairedImageDataset({'haze': {'packed': 'set.packed', 'label': 'x'}}, tmp_path)
    shard_file(tmp_path / 'set.packed', 0).write_bytes(b'')
    with pytest.raises(ValueError, match='cut short'):
        PairedImageDataset({'haze': {'packed': 'set.packed'}}, tmp_path)[0]


CONFIG = """
train_dataloader:
  batch_size: 2
  num_workers: 0
  dataset:
    type: PairedImageDataset
    data_root: {root}
    patch_size: 16
    augment: dihedral
    weights: {{haze: 2}}
    sources:
      haze: {{input: hazy, target: clear, repeat: 2}}
      noise: {{input: clear, target: clear, degrade: {{type: GaussianNoise, sigma: 25}}}}
"""


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ('configs/own.yaml', CONFIG.format(root='.')),
        ('own', 'data_root: .' + CONFIG.format(root='nowhere')),
    ],
    ids=['a file', 'a name and a data root'],
)
def test_a_config_draws_the_same_from_shards(tmp_path, pairs, monkeypatch, capsys, given, text):
    monkeypatch.chdir(tmp_path)
    Path('configs').mkdir()
    Path('configs/own.yaml').write_text(text)
    shipped = {'own': tmp_path / 'configs' / 'own.yaml'}
    monkeypatch.setattr('irbox.config.shipped_configs.shipped_configs', lambda: shipped)
    main(['pack-data', given, 'deep/packed', '--per-shard', '4'])
    assert 'haze.packed: 7 pairs' in capsys.readouterr().out
    sets = []
    for path in ('configs/own.yaml', 'deep/packed/config.yaml'):
        config = load_config(Path(path), {}, sections=['train_dataloader']).to_dict()
        options = dict(config['train_dataloader']['dataset'])
        assert options.pop('type') == 'PairedImageDataset'
        sets.append(PairedImageDataset(**options))
    loose, packed = sets
    assert isinstance(packed.pairs.parts[0].pairs, PackedPairs)
    assert len(loose) == len(packed) == 3 * NUMBER
    np.testing.assert_array_equal(loose.draw_weights, packed.draw_weights)
    assert loose.task_counts == packed.task_counts
    assert loose.metainfo == packed.metainfo
    for number in range(len(loose)):
        one, other = loose[number, 5], packed[number, 5]
        assert one.keys() == other.keys()
        assert (one['label'], one['name']) == (other['label'], other['name'])
        torch.testing.assert_close(one['image'], other['image'], rtol=0, atol=0)
        torch.testing.assert_close(one['target'], other['target'], rtol=0, atol=0)


def test_depth_goes_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, folder in enumerate(('clear', 'depth')):
        Path(folder).mkdir()
        Image.effect_noise((20, 24), 50 + number).convert('RGB').save(f'{folder}/1.png')
    source = {'input': 'clear', 'target': 'clear', 'degrade': {'type': 'Haze'}}
    source['depth'] = {'folder': 'depth', 'near': 'white'}
    dataset = {'type': 'PairedImageDataset', 'sources': {'fog': source}}
    Path('own.yaml').write_text(json.dumps({'train_dataloader': {'dataset': dataset}}))
    main(['pack-data', 'own.yaml', 'packed'])
    config = load_config(Path('packed/config.yaml'), {}, sections=['train_dataloader']).to_dict()
    options = dict(config['train_dataloader']['dataset'])
    options.pop('type')
    packed, loose = PairedImageDataset(**options), PairedImageDataset({'fog': source})
    assert torch.equal(packed[0]['image'], loose[0]['image'])
    with pytest.raises(ValueError, match='depth is for `degrade`'):
        PairedImageDataset({'x': {'packed': 'packed/fog.packed', 'depth': 'depth'}})


def test_the_config_is_not_written_over(tmp_path, pairs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = CONFIG.format(root='.')
    Path('config.yaml').write_text(text)
    with pytest.raises(ValueError, match=r'^config\.yaml would be written, and is the config'):
        main(['pack-data', 'config.yaml', '.'])
    assert Path('config.yaml').read_text() == text and not Path('haze.packed').exists()


def test_only_files_can_be_packed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('own.yaml').write_text('train_dataloader: {dataset: {type: EmbeddedDataset}}')
    with pytest.raises(ValueError, match='EmbeddedDataset, which has no files'):
        main(['pack-data', 'own.yaml', 'packed'])
