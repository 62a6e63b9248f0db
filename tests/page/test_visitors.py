import threading
import time

import pytest

from irbox.page.turns import Cancelled
from irbox.page.visitors import Visitors


@pytest.fixture
def visitors(tmp_path):
    return Visitors(tmp_path, seconds=60)


def test_each_has_a_folder_that_is_not_named_for_the_session(visitors, tmp_path):
    first, second = visitors.of('../../etc'), visitors.of('b')
    assert first.folder != second.folder
    assert {first.folder.parent, second.folder.parent} == {tmp_path}
    assert '..' not in first.folder.name
    assert visitors.of('../../etc') is first


def test_leaving_deletes(visitors):
    visitor = visitors.of('a')
    (visitor.folder / 'file').write_text('mine')
    visitors.leave('a')
    assert visitor.left
    assert not visitor.folder.exists()
    visitors.leave('a')
    assert visitors.of('a') is not visitor


def test_leaving_while_at_work(visitors):
    with visitors.working('a') as visitor:
        visitors.leave('a')
        assert visitor.stop.is_set()
        (visitor.folder / 'sub').mkdir()
        (visitor.folder / 'sub' / 'file').write_text('late')
    assert not visitor.folder.exists()


def test_the_next_work_ends_the_last(visitors):
    begun, ended = threading.Event(), threading.Event()

    def first():
        with visitors.working('a') as visitor:
            (visitor.folder / 'file').write_text('first')
            visitor.done.append(1)
            begun.set()
            assert visitor.stop.wait(10)
            ended.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(10)
    with visitors.working('a') as visitor:
        assert ended.is_set()
        assert not visitor.stop.is_set()
        assert not visitor.done
        assert not list(visitor.folder.iterdir())
        visitor.done.append(2)
    thread.join(10)
    with visitors.working('a', fresh=False) as visitor:
        assert visitor.done == [2]


@pytest.mark.parametrize('end', ['cancel', 'next', 'leave'])
def test_what_waits_is_ended_too(visitors, end):
    said = []

    def wait(name):
        try:
            with visitors.working('a'):
                said.append(name)
        except Cancelled:
            said.append(f'{name} ended')

    def start(name):
        before = visitor.newest
        threads.append(threading.Thread(target=wait, args=(name,)))
        threads[-1].start()
        until = time.monotonic() + 10
        while visitor.newest is before and time.monotonic() < until:
            time.sleep(0.001)

    threads = []
    with visitors.working('a') as visitor:
        start('second')
        assert visitor.stop.is_set() and not visitor.newest.is_set()
        if end == 'next':
            start('third')
        else:
            getattr(visitors, end)('a')
    for thread in threads:
        thread.join(10)
    assert sorted(said) == ['second ended', 'third'][: len(threads)]
    assert visitor.folder.exists() == (end != 'leave')


def test_the_forgotten_are_swept(visitors):
    old, new = visitors.of('old'), visitors.of('new')
    visitors.leave_soon('old', -1)
    visitors.sweep()
    assert not old.folder.exists()
    assert new.folder.exists()


def test_who_works_is_not_swept(visitors):
    with visitors.working('a') as visitor:
        visitors.leave_soon('a', -1)
        visitors.sweep()
        assert visitor.folder.exists()
