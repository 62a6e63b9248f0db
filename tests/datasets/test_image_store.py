"""Images out of databases: the same as out of folders, everywhere that files are read."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from irbox.data_check import check_data
from irbox.datasets import PairedImageDataset
from irbox.datasets.file_facts import read_facts
from irbox.datasets.fingerprints import fingerprints
from irbox.datasets.image_store import file_state, file_states, open_file
from irbox.datasets.pairs.image_folders import list_images
from irbox.datasets.read_image import BadImageError, MissingImageError, read_image
from support.data_trees import of, picture, save
from support.databases import to_database

NAMES = [f'GOPR0384_11_00-00000{i}' for i in range(1, 7)]


@pytest.fixture
def tree(tmp_path):
    """NAFNet's test set of GoPro: as folders, and as databases."""
    for i, name in enumerate(NAMES):
        for j, side in enumerate(('input', 'target')):
            save(tmp_path / 'files' / 'test' / side / f'{name}.png', picture(2 * i + j))
    (tmp_path / 'bases' / 'test').mkdir(parents=True)
    for side in ('input', 'target'):
        database = to_database(tmp_path / 'files' / 'test' / side)
        shutil.move(database, tmp_path / 'bases' / 'test')
    return tmp_path


def build(tree, root, **options):
    return PairedImageDataset({'x': of('gopro', 'test', root=root)}, str(tree), **options)


def test_a_database_is_found_in_the_place_of_a_folder(tree):
    files, bases = build(tree, 'files'), build(tree, 'bases')
    assert bases.names == files.names == NAMES
    assert bases.pairs[0].degraded == tree / 'bases/test/input.lmdb' / f'{NAMES[0]}.png'
    for one, other in zip(files, bases, strict=True):
        assert (one['image'] == other['image']).all() and (one['target'] == other['target']).all()


def test_a_folder_counts_more_than_a_database_beside_it(tree):
    shutil.copytree(tree / 'bases', tree / 'files', dirs_exist_ok=True)
    assert build(tree, 'files').pairs[0].degraded.parent == tree / 'files/test/input'


def test_databases_by_their_names(tree):
    test = tree / 'bases' / 'test'
    source = {'input': str(test / 'input.lmdb'), 'target': str(test / 'target')}
    assert len(PairedImageDataset({'x': source})) == len(NAMES)


@pytest.mark.parametrize('context', ['fork', 'spawn'])
def test_loader_processes_read_it_too(tree, context):
    dataset = build(tree, 'bases')
    expected = [item['image'].numpy() for item in dataset]
    loader = DataLoader(dataset, num_workers=2, multiprocessing_context=context)
    np.testing.assert_array_equal(np.concatenate([b['image'].numpy() for b in loader]), expected)


def test_many_threads_read_it_at_once(tree):
    files = [pair.degraded for pair in build(tree, 'bases').pairs] * 20
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(read_image, files))
    for path, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(image, read_image(path))


def test_facts_and_fingerprints_are_those_of_the_files(tree):
    pairs = [build(tree, root).pairs for root in ('files', 'bases')]
    files, entries = ([pair.degraded for pair in some] for some in pairs)
    for deep in (False, True):
        assert [*read_facts(files, deep).values()] == [*read_facts(entries, deep).values()]
    assert [*fingerprints(files).values()] == [*fingerprints(entries).values()]
    many = [*files, files[0].parent / 'gone.png', *entries]
    assert file_states(many) == {path: file_state(path) for path in (*files, *entries)}
    assert len({*file_states(entries).values()}) == 1


def test_the_check_of_data_looks_into_it(tree):
    def check():
        given = {'type': 'PairedImageDataset', 'data_root': str(tree)}
        sources = {root: of('gopro', 'test', root=root) for root in ('files', 'bases')}
        config = {'val_dataloader': {'dataset': {**given, 'sources': sources}}}
        return check_data(Config(config)).findings

    copies = [one for one in check() if one.kind == 'duplicate']
    assert len(copies) == 1 and 'bases/test/input.lmdb' in copies[0].files[0][1]
    broken = tree / 'broken'
    for name in NAMES:
        save(broken / f'{name}.png', picture(99))
    (broken / f'{NAMES[0]}.png').write_bytes(b'no image')
    shutil.rmtree(tree / 'bases/test/input.lmdb')
    shutil.move(to_database(broken), tree / 'bases/test/input.lmdb')
    (finding,) = [one for one in check() if one.kind == 'unreadable']
    assert f'input.lmdb/{NAMES[0]}.png cannot be read' in finding.message


def test_copies_in_a_database_are_left_out(tree):
    save(tree / 'more' / 'input' / 'a.png', picture(100))
    save(tree / 'more' / 'target' / 'a.png')
    shutil.copy(tree / f'files/test/input/{NAMES[0]}.png', tree / 'more/input/b.png')
    save(tree / 'more' / 'target' / 'b.png')
    source = {'input': 'more/input', 'target': 'more/target'}
    source['exclude_copies_of'] = 'bases/test/input.lmdb'
    assert PairedImageDataset({'x': source}, str(tree)).names == ['a']


def test_an_entry_that_is_missing(tree):
    database = tree / 'bases' / 'test' / 'input.lmdb'
    with (database / 'meta_info.txt').open('a') as file:
        file.write('my image.png (20,30,3) 1\n')
    assert 'my image.png' in list_images(database)
    with pytest.raises(MissingImageError, match='my image.png does not exist'):
        read_image(database / 'my image.png')
    (database / 'data.mdb').write_bytes(b'no database')
    with pytest.raises(BadImageError, match='input.lmdb'):
        read_image(database / f'{NAMES[0]}.png')


@pytest.mark.parametrize('text', [None, b'\xff\xfe\x00', b'000/0001.png (720,1280,3) 1\n'])
def test_names_that_cannot_be_used(tree, text):
    names = tree / 'bases' / 'test' / 'input.lmdb' / 'meta_info.txt'
    names.unlink() if text is None else names.write_bytes(text)
    with pytest.raises(ValueError, match=r'The database .*input\.lmdb has (no meta_info|names)'):
        build(tree, 'bases')


def test_without_the_package_it_is_named(tree, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(ImportError, match=r'input\.lmdb needs lmdb.*pip install lmdb'):
        build(tree, 'bases')


def test_a_folder_of_that_name_is_a_folder(tmp_path):
    save(tmp_path / 'a.lmdb' / '1.png')
    assert list_images(tmp_path / 'a.lmdb') == ['1.png']
    with open_file(tmp_path / 'a.lmdb' / '1.png') as file:
        assert file.read(4) == b'\x89PNG'
