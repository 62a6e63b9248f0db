from pathlib import Path

from irbox.datasets.pairs.distinct_names import distinct_names


def names(*paths):
    return distinct_names([Path(path) for path in paths])


def test_stems_where_they_suffice():
    assert names('a/1.png', 'b/2.png') == ['1', '2']


def test_folders_that_differ_stand_before():
    assert names('x/A/blur/47.png', 'x/A/blur/48.png', 'x/B/blur/47.png') == [
        'A_47',
        'A_48',
        'B_47',
    ]


def test_folders_of_different_depth():
    assert names('x/47.png', 'x/B/47.png') == ['x_47', 'x_B_47']


def test_types_where_nothing_else_differs():
    assert names('x/1.png', 'x/1.jpg', 'x/2.png') == ['1_png', '1_jpg', '2']
