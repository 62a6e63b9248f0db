"""What is written beside the figures, and what figures are made of."""

import json

import pytest

from irbox.analysis.figure import marks, new_figure, save_figure
from irbox.analysis.output import Output


def draw(stem):
    pytest.importorskip('matplotlib')
    with new_figure(2, 2) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [1, 0])
        axes.set_title('What is drawn')
        return save_figure(figure, stem)


def test_fonts_are_inside(tmp_path):
    png, pdf, svg = draw(tmp_path / 'one')
    assert png.read_bytes().startswith(b'\x89PNG')
    assert b'/FontFile2' in pdf.read_bytes()  # a TrueType font, embedded
    text = svg.read_text()
    assert '<text' not in text
    assert 'font-family' not in text


def test_a_figure_is_the_same_each_time(tmp_path):
    first, second = (draw(tmp_path / name) for name in ('one', 'two'))
    assert [path.read_bytes() for path in second] == [path.read_bytes() for path in first]


def luminance(color):
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_kinds_are_told_apart_in_gray():
    found = list(marks(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']).values())
    assert len({one.marker for one in found}) == len({one.hatch for one in found}) == 8
    for one, other in zip(found[:5], found[1:5], strict=False):
        assert abs(luminance(one.color) - luminance(other.color)) > 0.1


def test_two_images_of_one_name(tmp_path):
    pytest.importorskip('matplotlib')
    output = Output(tmp_path, 'gates', {})
    for _ in range(2):
        with new_figure(1, 1) as figure:
            output.figure(figure, output.unused('gates_a'))
    assert sorted(path.stem for path in tmp_path.glob('*.pdf')) == ['gates_a', 'gates_a_2']


def test_numbers_that_are_not_finite_are_null(tmp_path):
    output = Output(tmp_path / 'new', 'gates', {})
    output.rows([{'a': 1, 'b': float('nan')}, {'a': 2, 'c': 'x'}], 'rows')
    assert (tmp_path / 'new/rows.csv').read_text() == 'a,b,c\n1,,\n2,,x\n'
    output.numbers({'a': [float('inf'), 1.5]}, 'numbers')
    assert json.loads((tmp_path / 'new/numbers.json').read_text()) == {'a': [None, 1.5]}


def test_the_provenance_names_command_versions_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr('sys.argv', ['/usr/bin/irbox', 'analyse', 'gates', 'a b.py'])
    output = Output(
        tmp_path, 'gates', {'models': [{'weights_sha256': 'abc'}], 'seeds': {'data': 0}}
    )
    output.text('x', 'b.txt')
    content = json.loads(output.finish({'irbox': '1.0'}).read_text())
    assert content['command'] == "irbox analyse gates 'a b.py'"
    assert content['models'][0]['weights_sha256'] == 'abc'
    assert content['seeds'] == {'data': 0}
    assert content['files'] == ['b.txt']
    assert {'irbox', 'torch', 'numpy', 'matplotlib', 'scikit-learn'} <= set(content['versions'])
