"""Pairs that are names until somebody asks for their paths."""

import pickle
from pathlib import Path

import pytest

from irbox.datasets.pairs.distinct_names import distinct_names
from irbox.datasets.pairs.file_pairs import FilePairs
from irbox.datasets.pairs.pairs import ImagePair

FOLDERS = [(Path('a/blur'), Path('a/sharp')), (Path('none'), Path('of it')), (Path('b'), Path('b'))]
NAMES = [
    [('1.png', '1.jpg', 'blur'), ('1_x.png', '1.jpg', 'blur'), ('2.png', '2.png', 'haze')],
    [],
    [('3.png', '3.png', 'noise')],
]


@pytest.fixture
def both():
    pairs, paths = FilePairs(), []
    for (degraded, clean), names in zip(FOLDERS, NAMES, strict=True):
        pairs.enter(degraded, clean)
        for one, other, label in names:
            pairs.add(one, other, label)
            paths.append(ImagePair(degraded / one, clean / other, label))
    return pairs, paths


def test_it_is_the_list_of_pairs(both):
    pairs, paths = both
    assert len(pairs) == 4 and list(pairs) == paths == [pairs[i] for i in range(4)]
    assert [pairs[i] for i in range(-4, 0)] == paths and pairs[1:3] == paths[1:3]
    assert pairs[::-1] == paths[::-1] and paths[2] in pairs
    assert list(pickle.loads(pickle.dumps(pairs))) == paths
    assert pairs.all_labels().tolist() == ['blur', 'blur', 'haze', 'noise']
    assert pairs.folders() == {Path('a/blur'), Path('b')}
    for number in (4, -5):
        with pytest.raises(IndexError, match=f'no number {number}'):
            pairs[number]


def test_a_path_that_several_share_is_made_once(both):
    one, other, *_ = both[0]
    assert one.clean is other.clean


def test_titles_are_those_of_the_paths(both):
    pairs, paths = both
    assert pairs.titles() == distinct_names([p.degraded for p in paths]) == ['1', '1_x', '2', '3']
    pairs.add('1.png', '1.png', 'noise')
    paths.append(ImagePair(Path('b/1.png'), Path('b/1.png'), 'noise'))
    assert pairs.titles() == distinct_names([p.degraded for p in paths])
    assert pairs.titles()[-1] == 'b_1'
