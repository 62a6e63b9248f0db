import random
import re
from pathlib import Path

import pytest

from irbox.datasets.pairs.image_folders import (
    find_folders,
    holds_images,
    list_images,
    natural_key,
    partner_folder,
    stem_of,
)


@pytest.fixture
def root(tmp_path):
    for folder in ('a/blur', 'a/sharp', 'b2/blur', 'b2/sharp', 'b10/blur', 'b10/sharp', 'c'):
        (tmp_path / 'train' / folder).mkdir(parents=True)
    return tmp_path


def found(root, pattern, choices=None):
    folders = find_folders(root, pattern, choices or {})
    return [(folder.path.relative_to(root).as_posix(), folder.values) for folder in folders]


def test_a_plain_folder(root):
    assert found(root, 'train/c') == [('train/c', {})]
    assert found(root, '.') == [('.', {})]
    assert found(root, 'train/d') == []
    assert found(root / 'nope', '.') == []
    assert [f.path for f in find_folders(Path('else'), root / 'train', {})] == [root / 'train']


def test_other_letter_cases_where_there_is_no_exact_one(root):
    assert found(root, 'TRAIN/C') == [('train/c', {})]
    (root / 'train' / 'C').mkdir()
    assert found(root, 'train/C') == [('train/C', {})]


def test_placeholders_in_natural_order(root):
    assert found(root, 'train/{one}/blur') == [
        ('train/a/blur', {'one': 'a'}),
        ('train/b2/blur', {'one': 'b2'}),
        ('train/b10/blur', {'one': 'b10'}),
    ]
    assert found(root, 'train/b{n}/blur') == [
        ('train/b2/blur', {'n': '2'}),
        ('train/b10/blur', {'n': '10'}),
    ]


def test_choices_limit_a_placeholder_in_any_case(root):
    assert found(root, 'train/{one}/blur', {'one': ['B2', 'c']}) == [
        ('train/b2/blur', {'one': 'b2'})
    ]


def test_a_placeholder_is_the_same_wherever_it_stands(root):
    (root / 'both' / 'x' / 'x').mkdir(parents=True)
    (root / 'both' / 'x' / 'y').mkdir()
    assert found(root, 'both/{one}/{one}') == [('both/x/x', {'one': 'x'})]


def test_any_depth(root):
    assert [path for path, _ in found(root, '**/blur')] == [
        'train/a/blur',
        'train/b2/blur',
        'train/b10/blur',
    ]
    assert [path for path, _ in found(root, 'train/c/**')] == ['train/c']


def test_partners(root):
    for pattern, other in (('train/{one}/blur', 'train/{one}/sharp'), ('**/blur', '**/sharp')):
        for folder in find_folders(root, pattern, {}):
            partner = partner_folder(root, other, folder.values, {})
            assert partner == folder.path.with_name('sharp')
    assert partner_folder(root, 'train/{x}/sharp', {'x': 'c'}, {}) is None
    choices = {'x': ['nope', 'b2', 'a']}
    assert partner_folder(root, 'train/{x}/sharp', {}, choices) == root / 'train/b2/sharp'


def test_images_by_suffix_in_natural_order(root):
    folder = root / 'train' / 'c'
    for name in ('10.PNG', '2.jpg', '1.JPEG', '1.tif', '._2.jpg', 'x.txt', 'png'):
        (folder / name).touch()
    (folder / 'folder.png').mkdir()
    assert list_images(folder) == ['1.JPEG', '1.tif', '2.jpg', '10.PNG']
    assert holds_images(folder)
    assert not holds_images(root)


def test_a_broken_link_is_not_dropped_in_silence(root):
    (root / 'train' / 'c' / '1.png').symlink_to('nothing.png')
    assert list_images(root / 'train' / 'c') == ['1.png']


def test_stems():
    assert stem_of('a/b\\0001_0.8_0.2.JPG') == '0001_0.8_0.2'
    assert stem_of('0001_0.8_0.2') == '0001_0.8_0.2'
    assert stem_of('.png') == ''


def test_natural_keys_tell_all_names_apart():
    names = ['x²', 'x10', 'x2', 'x02']
    assert sorted(names, key=natural_key) == ['x02', 'x2', 'x10', 'x²']


def test_natural_keys_compare_numbers_and_the_texts_between_them():
    def slow(name):
        parts = re.split(r'(\d+)', name)
        return [int(part) if part.isdecimal() else part for part in parts], name

    rng = random.Random(0)
    names = {
        ''.join(rng.choice('0019-. _aB٣') for _ in range(rng.randint(1, 12))) for _ in range(2000)
    } | {'9' * 30, '1' + '0' * 30, 'a', 'a-', 'a1', 'a1-', 'a01', 'a001', 'a1b', 'a1.5', 'a1.10'}
    assert sorted(names, key=natural_key) == sorted(names, key=slow)
