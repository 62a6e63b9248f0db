import os
from pathlib import Path

import pytest

from irbox.restore.batch.done_list import DoneList, shard
from irbox.restore.batch.job import STANDARD_STREAM, Job
from irbox.restore.batch.list_jobs import list_jobs

ENDS = ('.png', '.jpg', '.webp')


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('in/a.png', 'in/b.JPG', 'in/notes.txt', 'in/deep/c.webp', 'in/.hidden.png'):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')
    return tmp_path


def pairs(*inputs, **options):
    listing = list_jobs(inputs, extensions=ENDS, **options)
    return {str(job.source): str(job.target) for job in listing.jobs}


def test_a_file_is_answered_beside_itself():
    assert pairs('in/a.png') == {'in/a.png': 'in/a_restored.png'}
    assert pairs('in/a.png', suffix='_x', extension='.jpg') == {'in/a.png': 'in/a_x.jpg'}


def test_a_folder_keeps_its_tree_below_the_answers():
    expected = {
        'in/a.png': 'out/a.png',
        'in/b.JPG': 'out/b.JPG',
        'in/deep/c.webp': 'out/deep/c.webp',
    }
    assert pairs('in', out='out', recursive=True) == expected
    assert not Path('out').exists()  # nothing is made before the start
    flat = list_jobs(['in'], 'out', extensions=ENDS)
    assert len(flat.jobs) == 2
    assert flat.notes == [
        'in: 1 folder(s) inside were not entered. Add --recursive.',
        "in: 1 file(s) whose names are no picture's were passed over.",
    ]


def test_patterns_keep_the_tree_below_their_fixed_part():
    assert pairs('in/**/*.webp', out='out') == {'in/deep/c.webp': 'out/deep/c.webp'}
    assert pairs('in/*.png', out='out') == {'in/a.png': 'out/a.png'}


def test_a_single_file_may_name_its_answer():
    assert pairs('in/a.png', out='new/name.png') == {'in/a.png': 'new/name.png'}
    assert pairs('in/a.png', out='new') == {'in/a.png': 'new/a.png'}


def test_standard_streams():
    assert pairs('-') == {'-': '-'}
    assert pairs('-', out='x.png') == {'-': 'x.png'}
    assert pairs('in/a.png', out='-') == {'in/a.png': '-'}
    assert Job(Path('-'), Path('-')).source == STANDARD_STREAM


def test_an_input_that_is_named_twice_is_restored_once():
    assert len(pairs('in/a.png', 'in', './in/a.png', out='out')) == 2


def test_answers_of_an_earlier_run_are_no_inputs():
    Path('in/a_restored.png').write_bytes(b'x')
    Path('in/portrait_restored.png').write_bytes(b'x')  # no original beside it
    listing = list_jobs(['in'], extensions=ENDS, existing='overwrite')
    names = [job.source.name for job in listing.jobs]
    assert names == ['a.png', 'b.JPG', 'portrait_restored.png']
    assert any("1 picture ending in '_restored'" in note for note in listing.notes)


def test_links_that_lead_back_end():
    os.symlink('..', 'in/deep/up')
    os.symlink(Path('in').absolute(), 'in/again')
    assert len(pairs('in', out='out', recursive=True)) == 3


@pytest.mark.parametrize(
    ('inputs', 'options', 'error', 'text'),
    [
        (['nope.png'], {}, FileNotFoundError, 'nope.png does not exist'),
        (['in/a'], {}, FileNotFoundError, 'in has a.png'),
        (['in/*.gif'], {}, FileNotFoundError, r'No picture matches in/\*.gif'),
        (['in/deep'], {'extension': '.png', 'suffix': ''}, None, ''),
        (['in', '-'], {}, ValueError, 'stands alone'),
        (['in'], {'out': '-'}, ValueError, 'takes one picture, and there are 2'),
        (['in'], {'out': 'in/a.png'}, ValueError, 'several pictures need a folder'),
        (['in/a.png'], {'suffix': ''}, FileExistsError, 'in/a.png is an input'),
        (['in'], {'out': 'in'}, FileExistsError, 'is an input. Choose --out or --suffix'),
        (['in/a.png'], {'out': 'in/b.JPG'}, FileExistsError, 'in/b.JPG exists. Add --overwrite'),
    ],
)
def test_what_cannot_be_meant(inputs, options, error, text):
    if error is None:
        assert pairs(*inputs, **options) == {'in/deep/c.webp': 'in/deep/c.png'}
        return
    before = sorted(Path().rglob('*'))
    with pytest.raises(error, match=text):
        pairs(*inputs, **options)
    assert sorted(Path().rglob('*')) == before


def test_two_answers_never_get_one_name():
    Path('in/a.jpg').write_bytes(b'x')
    with pytest.raises(
        ValueError, match=r'in/a.jpg and in/a.png would both be written to out/a.webp'
    ):
        pairs('in', out='out', extension='.webp')
    Path('other').mkdir()
    Path('other/a.png').write_bytes(b'x')
    with pytest.raises(ValueError, match='would both be written to out/a.png'):
        pairs('in/a.png', 'other/a.png', out='out')
    Path('empty').mkdir()
    with pytest.raises(ValueError, match='There is no picture to restore in empty'):
        pairs('empty')


def test_what_exists_is_skipped_or_replaced():
    Path('out').mkdir()
    Path('out/a.png').write_bytes(b'x')
    listing = list_jobs(['in'], 'out', extensions=ENDS, existing='skip')
    assert [job.source.name for job in listing.skipped] == ['a.png']
    assert [job.source.name for job in listing.jobs] == ['b.JPG']
    assert len(pairs('in', out='out', existing='overwrite')) == 2


def test_a_killed_run_goes_on(tmp_path):
    first = DoneList(tmp_path / 'done', 'settings')
    listing = list_jobs(['in'], 'out', extensions=ENDS, done_list=first)
    one, two = listing.jobs
    Path('out').mkdir()
    for job in (one, two):
        first.begin(job)
        job.target.write_bytes(b'answer')
    first.finish(one)  # the second was killed between its answer and its line
    with open(tmp_path / 'done', 'ab') as file:
        file.write(b'{"state": "do')
    again = DoneList(tmp_path / 'done', 'settings')
    listing = list_jobs(['in'], 'out', extensions=ENDS, done_list=again)
    assert (listing.done, listing.jobs) == ([one], [two])
    again.finish(two)
    whole = list_jobs(['in'], 'out', extensions=ENDS, done_list=DoneList(again.path, 'settings'))
    assert (whole.done, whole.jobs) == ([one, two], [])
    one.target.unlink()  # somebody removed the answer: it is made again
    after = list_jobs(['in'], 'out', extensions=ENDS, done_list=DoneList(again.path, 'settings'))
    assert after.jobs == [one]
    with pytest.raises(FileExistsError):  # other settings: not that run's answers
        list_jobs(['in'], 'out', extensions=ENDS, done_list=DoneList(again.path, 'others'))


def test_shards_share_all_jobs():
    jobs = [Job(Path(str(i)), Path(f'{i}.png')) for i in range(7)]
    shards = [shard(jobs, rank, 3) for rank in range(3)]
    assert sorted(sum(shards, []), key=str) == sorted(jobs, key=str)
    assert [len(one) for one in shards] == [3, 2, 2]
