import hashlib

import pytest

from irbox.data_check import equal_files as module
from irbox.data_check.equal_files import equal_files
from irbox.datasets.file_facts import FileFacts


@pytest.fixture
def files(tmp_path):
    """Write files of given contents; gives their facts as a header's reading would."""

    def files(**contents):
        facts = {}
        for name, content in contents.items():
            path = tmp_path / name
            path.write_bytes(content)
            facts[path] = FileFacts(len(content), (1, 1))
        return facts

    return files


def groups(facts, matters=lambda paths: True):
    return sorted(sorted(path.name for path in group) for group in equal_files(facts, matters))


def test_groups_are_those_of_equal_bytes(files):
    long, changed_at_end = bytes(20_000), bytes(19_999) + b'1'
    facts = files(a=long, b=long, c=changed_at_end, d=b'x', e=b'x', f=b'y', g=b'', h=long)
    assert groups(facts) == [['a', 'b', 'h'], ['d', 'e']]


def test_files_are_read_only_where_it_matters_and_whole_ones_only_after_a_look(files, monkeypatch):
    facts = files(a=bytes(9000), b=bytes(9000), c=b'1' * 9000, d=b'alone', e=b'one', f=b'two')
    read = {'_sample': [], '_whole': []}
    for name, seen in read.items():
        plain = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda path, plain=plain, seen=seen: seen.append(path.name) or plain(path)
        )
    assert groups(facts, lambda paths: 'e' not in [path.name for path in paths]) == [['a', 'b']]
    assert sorted(read['_sample']) == ['a', 'b', 'c'] and sorted(read['_whole']) == ['a', 'b']


def test_pixels_stand_for_bytes_where_images_were_decoded(files):
    facts = files(a=b'one', b=b'other', c=b'one', d=b'?')
    decoded = {
        path: fact._replace(pixels=hashlib.sha256(pixels).digest())
        for (path, fact), pixels in zip(facts.items(), (b'1', b'1', b'2', b'3'), strict=True)
    }
    assert groups(decoded) == [['a', 'b']]
    unreadable = {p: f._replace(size=None) if p.name == 'a' else f for p, f in facts.items()}
    assert groups(unreadable) == []
