"""Findings and reports for people and programs; sets are built by hand."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from irbox.data_check.checked_set import CheckedSet, find_sets
from irbox.data_check.finding import SHOWN, Finding, as_text
from irbox.data_check.report import Report
from irbox.data_check.scenes import check_scenes
from irbox.data_check.unused import check_unused
from irbox.datasets.file_facts import FileFacts
from irbox.datasets.pairs.data_source import DataSource
from irbox.datasets.pairs.halves import Half
from irbox.datasets.pairs.pairs import ImagePair


def source(name, *degraded, label='', repeat=1, left_out=()):
    pairs = [ImagePair(Path(one), Path('clean', Path(one).name), label or name) for one in degraded]
    half = Half(name, '', '', '', Path('d'), len(pairs), {})
    return DataSource(name, pairs, dict(left_out), {}, '', repeat, (), '[]', half)


def checked(*sources, training=True, place='train'):
    given = {'sources': {one.name: {} for one in sources}}
    return CheckedSet(place, training, given, list(sources))


@pytest.mark.parametrize('count', [0, SHOWN, SHOWN + 1, SHOWN + 1200])
def test_a_finding_shows_the_first_files_and_counts_the_others(count):
    files = as_text([Path(f'{index}.png') for index in range(count)])
    lines = Finding('size', 'here', 'They differ.', files, 'Crop them.').text().splitlines()
    assert (lines[0], lines[-1]) == ('here: They differ.', '  Crop them.')
    assert lines[1 : 1 + min(count, SHOWN)] == [f'    {file}' for file in files[:SHOWN]]
    more = [f'    and {count - SHOWN:,} more'] if count > SHOWN else []
    assert lines[1 + min(count, SHOWN) : -1] == more
    assert Finding('size', 'here', 'One.').text() == 'here: One.'


def test_a_finding_names_ten_files_however_many_are_the_same():
    same = tuple(f'{index}.png' for index in range(80_000))
    finding = Finding('duplicate', 'here', 'Copies.', [('a', 'b', 'c'), same, ('d', 'e')])
    assert finding.cut and not Finding('leak', 'here', 'Two.', [('a', 'b')]).cut
    assert finding.text().splitlines()[1:] == [
        '    a = b = c',
        '    0.png = 1.png = 2.png = 3.png = 4.png = 5.png = 6.png and 79,993 more',
        '    and 1 more',
    ]
    files = Report([], {}, [finding], deep=False).content()['findings'][0]['files']
    assert files[0] == 'a = b = c' and files[1].endswith(' = 79999.png')


@pytest.fixture
def report():
    rain = source('rain', 'a.png', 'b.png', repeat=3, left_out={'not listed': 1200})
    snow = source('snow', 'c.png')
    sizes = {'a.png': (40, 30), 'b.png': (40, 30), 'c.png': None}
    facts = {Path(name): FileFacts(9, size) for name, size in sizes.items()}
    facts |= {Path('clean', name): FileFacts(9, size) for name, size in sizes.items()}
    findings = [
        Finding('leak', 'train', 'Leaks.', ('a.png',)),
        Finding('count', 'train', 'Fewer.', serious=False),
    ]
    return Report([checked(rain, snow)], facts, findings, deep=False)


def test_a_report_as_a_table(report):
    columns = (column.cells for column in report.table().columns)
    text = '\n'.join(' '.join(row) for row in zip(*columns, strict=True))
    assert 'rain 2 x 3' in text and '1,200 not listed' in text and '40x30 (100%)' in text
    assert text.count('train') == 1 and 'snow 1 snow - - -' in text


def test_a_report_as_plain_values(report):
    content = json.loads(json.dumps(report.content()))
    assert (content['deep'], content['files']) == (False, 6)
    (given,) = content['sets']
    assert given['samples'] == 2 * 3 + 1
    assert [one['labels'] for one in given['sources']] == [{'rain': 2}, {'snow': 1}]
    assert given['sources'][0]['left_out'] == {'not listed': 1200}
    assert given['sources'][1]['sizes'] is None
    assert [one['kind'] for one in content['findings']] == ['leak']
    assert content['findings'][0]['files'] == ['a.png'] and 'serious' not in content['notes'][0]


@pytest.mark.parametrize(
    ('train', 'test', 'leaked'),
    [
        (['im_0301_s80_a04.png', 'im_0300_s80_a04.png', 'im_0350.png'], [], 2),
        (['im_0001_s1_a2.png', 'im_0002.png'], ['im_0001.png'], 1),
        (['0001_0.8_0.2.png'], ['0001_1_0.1.png', '0002_1_1.png'], 1),
        (['0301_0.8_0.2.png'], [], 0),
        (['GOPR0372_07_00-000047.png', 'GOPR0372_07_01-000047.png'], ['GOPR0372_07_00_1.png'], 1),
        (['GOPR0372_07_00/blur/000047.png'], ['GOPR0372_07_00/blur/000001.png'], 1),
        (['im_301.png', 'x_im_0301.png'], ['im_301.png'], 0),
    ],
)
def test_scenes_by_name(train, test, leaked):
    sets = [checked(source('a', *train)), checked(source('b', *test), training=False, place='val')]
    found = list(check_scenes(sets))
    assert sum(len(one.files) for one in found) == leaked
    assert all(one.kind == 'leak' and one.place == 'train' and one.remedy for one in found)
    assert all(('val' in one.message) == bool(test) for one in found)
    assert list(check_scenes(sets[1:])) == []


def test_clean_images_beside_no_degraded_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'clean').mkdir()
    for name in ('a.png', 'a.jpg', 'b.png', 'c.png'):
        (tmp_path / 'clean' / name).touch()
    (found,) = check_unused(checked(source('rain', 'x/a.png')))
    assert [Path(file).name for file in found.files] == ['b.png', 'c.png'] and not found.serious
    assert '2 of 4 clean images' in found.message and found.place == 'train, source rain'
    assert list(check_unused(checked(source('rain', 'x/a.png', left_out={'listed': 1})))) == []
    only = checked(source('rain', 'x/a.png'))
    only.given['sources']['rain']['only'] = 'rain'
    assert list(check_unused(only)) == []


def test_a_wrong_source_hides_no_other(tmp_path):
    for name in ('good/input/a.png', 'good/target/a.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    folders = {'input': 'good/input', 'target': 'good/target'}
    sources = {
        'gone': {'input': 'none', 'target': 'none'},
        'wrong': folders | {'repeat': 0},
        'list': ['a'],
        'null': None,
        'good': folders,
    }
    dataset = {'type': 'PairedImageDataset', 'data_root': str(tmp_path), 'sources': sources}
    loader = {'dataset': dataset}
    sets, findings = find_sets(
        Config({'train_dataloader': loader, 'val_dataloader': {'a': loader}})
    )
    assert [(one.place, one.training) for one in sets] == [
        ('train_dataloader', True),
        ('val_dataloader.a', False),
    ]
    assert [[one.name for one in found.sources] for found in sets] == [['good'], ['good']]
    assert [one.kind for one in findings] == ['missing', 'source', 'source'] * 2
