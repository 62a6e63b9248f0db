from pathlib import Path

from irbox.datasets.pairs.distinct_names import distinct_names, numbered


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


def test_numbers_where_folders_and_types_make_equal_names():
    assert names('a/b_1.png', 'a/2.png', 'a_b/1.png', 'a_b/2.png') == [
        'a_b_1_png',
        'a_2',
        'a_b_1_png_2',
        'a_b_2',
    ]
    assert names('d/x.png', 'd/x.jpg', 'd/x_png.png') == ['x_png', 'x_jpg', 'x_png_2']
    assert numbered(['a', 'a', 'a_2', 'a', 'a_2']) == ['a', 'a_3', 'a_2', 'a_4', 'a_2_2']
