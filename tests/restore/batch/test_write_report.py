import json
from pathlib import Path

import pytest

from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.write_report import AT_ONCE, is_report, open_report

DONE = Outcome(
    Job(Path('ä.png'), Path('out/ä.png')),
    'restored',
    notes=['n'],
    megapixels=1.23456789,
    seconds=0.12345,
    details={'m': Path('p')},
)
KEPT = Outcome(Job(Path('s.png'), Path('t.png')), 'skipped')


def write(path, *outcomes):
    with open_report(path, {'tile': 64}) as add:
        for one in outcomes:
            add(one)


def test_a_report_has_every_picture_and_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'new/report.json'
    write(path, DONE, KEPT)
    text = path.read_text(encoding='utf-8')
    first, second = json.loads(text)['pictures']
    assert (first['megapixels'], first['seconds'], first['models']) == (1.234568, 0.123, {'m': 'p'})
    assert first['source'] == 'ä.png'
    assert second == {'source': 's.png', 'target': 't.png', 'status': 'skipped'}
    with pytest.raises(ValueError, match='JSON'):
        write(path, Outcome(KEPT.job, 'restored', details={'share': float('nan')}))
    assert path.read_text(encoding='utf-8') == text
    assert [one.name for one in path.parent.iterdir()] == ['report.json']
    assert is_report(path)


def test_a_table_of_more_pictures_than_are_kept_in_memory(tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    path = tmp_path / 'report.parquet'
    with open_report(path, {'tile': 64}) as add:
        add(KEPT)
        for number in range(AT_ONCE + 1):
            add(DONE, f's3://a/{number}.png', f's3://b/{number}.png')
    table = parquet.read_table(path)
    assert table.num_rows == AT_ONCE + 2
    assert parquet.ParquetFile(path).num_row_groups == 2
    skipped, *_, last = table.to_pylist()
    assert (skipped['source'], skipped['status'], skipped['notes']) == ('s.png', 'skipped', None)
    assert last == {
        'source': f's3://a/{AT_ONCE}.png',
        'target': f's3://b/{AT_ONCE}.png',
        'status': 'restored',
        'reason': '',
        'megapixels': 1.234568,
        'seconds': 0.123,
        'notes': ['n'],
        'models': '{"m": "p"}',
    }
    assert json.loads(table.schema.metadata[b'settings']) == {'tile': 64}
    assert is_report(path)


def test_a_table_is_written_whole_or_not_at_all(tmp_path):
    pytest.importorskip('pyarrow.parquet')
    path = tmp_path / 'report.parquet'
    with pytest.raises(KeyError), open_report(path, {}) as add:
        add(DONE)
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_report(tmp_path):
    for name in ('a.json', 'a.parquet'):
        path = tmp_path / name
        path.write_text('[1]')
        assert not is_report(path)
    with open_report(None, {}) as add:
        add(DONE)
