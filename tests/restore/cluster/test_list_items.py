import io
import tarfile
from pathlib import Path

import pytest

from irbox.restore.batch.done_list import DoneList
from irbox.restore.cluster.list_items import list_items
from support.tiny_model import photograph

fsspec = pytest.importorskip('fsspec')


def content(format='PNG'):
    file = io.BytesIO()
    photograph().save(file, format)
    return file.getvalue()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos/deep').mkdir(parents=True)
    (tmp_path / 'photos/a.png').write_bytes(content())
    (tmp_path / 'photos/deep/b.jpg').write_bytes(content('JPEG'))
    with tarfile.open('shard-0.tar', 'w') as archive:
        for name, data in (
            ('x/1.png', content()),
            ('x/1.json', b'{}'),
            ('x/lies.jpg', content()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return tmp_path


@pytest.fixture
def bucket():
    """Files at an address."""
    system = fsspec.filesystem('memory')
    system.pipe({'/bucket/c.png': content(), '/bucket/deep/d.png': content()})
    yield 'memory://bucket'
    system.rm('/', recursive=True)


def targets(items):
    return sorted(one.target for one in items.left)


def test_folders_archives_and_addresses(tree, bucket):
    items = list_items(['photos', 'shard-0.tar', bucket], 'out', recursive=True)
    assert targets(items) == [
        'out/a.png',
        'out/c.png',
        'out/deep/b.jpg',
        'out/deep/d.png',
        'out/shard-0/x/1.png',
        # Named for what it is.
        'out/shard-0/x/lies.png',
    ]
    for item in items.left:
        assert item.read().size == (60, 40)
    assert len(list_items([bucket], 'out').left) == 1
    assert targets(list_items(['memory://bucket/*/*.png'], 'out')) == ['out/deep/d.png']


def test_answers_at_an_address(tree, bucket):
    items = list_items(['photos', bucket], 'memory://answers', suffix='_r', extension='.webp')
    assert targets(items) == ['memory://answers/a_r.webp', 'memory://answers/c_r.webp']
    system = fsspec.filesystem('memory')
    system.pipe('/answers/c_r.webp', b'x')
    with pytest.raises(FileExistsError, match='skip-existing'):
        list_items([bucket], 'memory://answers', suffix='_r', extension='.webp')
    options = {'suffix': '_r', 'extension': '.webp', 'existing': 'skip'}
    assert len(list_items([bucket], 'memory://answers', **options).skipped) == 1


def test_a_list(tree):
    parquet, pyarrow = pytest.importorskip('pyarrow.parquet'), pytest.importorskip('pyarrow')
    sources = ['photos/a.png', 'photos/deep/b.jpg']
    parquet.write_table(pyarrow.table({'path': sources}), 'list.parquet')
    assert targets(list_items(['list.parquet'], 'out')) == ['out/a.png', 'out/b.jpg']
    named = pyarrow.table({'source': sources, 'target': ['1.png', 'k/2.jpg']})
    parquet.write_table(named, 'list.parquet')
    assert targets(list_items(['list.parquet'], 'out')) == ['out/1.png', 'out/k/2.jpg']
    parquet.write_table(pyarrow.table({'picture': sources}), 'list.parquet')
    with pytest.raises(ValueError, match='has the columns picture'):
        list_items(['list.parquet'], 'out')
    named = pyarrow.table({'source': sources, 'target': ['../1.png', '2.jpg']})
    parquet.write_table(named, 'list.parquet')
    with pytest.raises(ValueError, match='outside of out'):
        list_items(['list.parquet'], 'out')


@pytest.mark.parametrize('missing', [None, ''])
def test_a_list_with_a_hole(tree, missing):
    parquet, pyarrow = pytest.importorskip('pyarrow.parquet'), pytest.importorskip('pyarrow')
    for columns in ({'path': ['a.png', missing]}, {'path': ['a'] * 2, 'target': ['b', missing]}):
        parquet.write_table(pyarrow.table(columns), 'list.parquet')
        with pytest.raises(ValueError, match=f'list.parquet: {list(columns)[-1]} of row 2 is'):
            list_items(['list.parquet'], 'out')


def test_a_compressed_and_a_short_archive(tree):
    with tarfile.open('g.tar', 'w:gz') as archive:
        archive.add('photos/a.png')
    Path('short.tar').write_bytes(Path('shard-0.tar').read_bytes()[:600])
    for name in ('g.tar', 'short.tar'):
        with pytest.raises(ValueError, match=f'{name} is damaged, or no plain .tar archive'):
            list_items([name], 'out')


def test_names_that_meet(tree):
    with tarfile.open('a.tar', 'w') as archive:
        archive.add('photos/a.png')
        archive.add('photos/a.png')
    with pytest.raises(ValueError, match='would both be written'):
        list_items(['a.tar'], 'out')


def test_what_is_done_already(tree):
    done = DoneList(tree / 'list.jsonl', 'settings')
    first = list_items(['shard-0.tar'], 'out', done_list=done)
    done.finish(first.left[0])
    (tree / 'out/shard-0/x').mkdir(parents=True)
    (tree / first.left[0].target).write_bytes(b'x')
    again = list_items(['shard-0.tar'], 'out', done_list=DoneList(done.path, 'settings'))
    assert again.left == first.left[1:]
    assert again.skipped == first.left[:1]
    with pytest.raises(FileExistsError):
        list_items(['shard-0.tar'], 'out', done_list=DoneList(done.path, 'other'))


def test_what_is_not_there(tree):
    for text in ('memory://nothing', 'nothing.tar'):
        with pytest.raises(FileNotFoundError):
            list_items([text], 'out')
    with pytest.raises(ValueError, match='cannot be opened'):
        list_items(['nosuch://a'], 'out')
