import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from irbox.restore.batch import estimate as module
from irbox.restore.batch.estimate import GROWTH, MARGIN, check_disk, disk_need, estimate
from irbox.restore.batch.job import STANDARD_STREAM, Job
from irbox.restore.batch.settings import Settings
from irbox.restore.memory_need import MemoryNeed
from support.tiny_model import tiny_model


@pytest.fixture
def jobs(tmp_path):
    """A PNG and a JPEG file, and folders of answers that are not there yet."""
    made = []
    for name in ('a.png', 'b.jpg'):
        Image.new('RGB', (40, 30), 'red').save(tmp_path / name)
        made.append(Job(tmp_path / name, tmp_path / 'not/yet' / name))
    return made


@pytest.mark.parametrize(
    ('choice', 'growth'), [('keep', MARGIN), ('jpeg', MARGIN), ('png', GROWTH)]
)
def test_disk_by_the_nearest_folder_that_exists(jobs, tmp_path, choice, growth):
    png, jpeg = (job.source.stat().st_size for job in jobs)
    streamed = Job(STANDARD_STREAM, STANDARD_STREAM)
    need = disk_need([*jobs, streamed], choice)
    assert need == {tmp_path: pytest.approx(MARGIN * png + growth * jpeg)}
    assert not (tmp_path / 'not').exists()


def test_a_disk_that_is_too_small_is_refused(jobs, tmp_path, monkeypatch):
    check_disk(jobs, 'keep')
    usage = namedtuple('Usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: usage(free=3))
    with pytest.raises(OSError, match=f'need about .*disk of {tmp_path} has .* left. Free some'):
        check_disk(jobs, 'keep')


def test_folders_of_one_disk_share_what_is_free(jobs, tmp_path, monkeypatch):
    there = tmp_path / 'there'
    there.mkdir()
    jobs[1] = Job(jobs[1].source, there / 'b.jpg')
    need = disk_need(jobs, 'keep')
    assert set(need) == {tmp_path, there}
    usage = namedtuple('Usage', 'free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: usage(free=max(need.values()) + 1))
    with pytest.raises(OSError, match='Free some'):
        check_disk(jobs, 'keep')


def test_what_would_be_done_is_listed_and_nothing_is(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'SIDE', 32)
    unread = Job(tmp_path / 'c.png', tmp_path / 'not/c.png')
    unread.source.write_bytes(b'no picture')
    model = tiny_model()
    monkeypatch.setattr(model, 'memory_need', lambda context: MemoryNeed(0, 1000))
    text = estimate([*jobs, unread], [jobs[0]], model, Settings()).splitlines()
    assert text[:3] == [f'{job.source} -> {job.target}' for job in (*jobs, unread)]
    assert text[3:5] == ['1 have an answer already.', '1 cannot be read and would fail.']
    assert text[5].startswith('3 pictures, 0.0024 megapixels: about 0 s, ')
    assert text[5].endswith('of disk. Nothing was written.') and len(text) == 6
    assert not Path(tmp_path / 'not').exists()
