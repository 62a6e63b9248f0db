"""Tables drawn for several methods."""

import json

import pytest

from irbox.analysis.output import Output
from irbox.analysis.summary import Score, analyze, columns_of, read_tables, spokes


def table(folder, method, psnr, source='measured', score='psnr', protocol='aio', **about):
    folder.mkdir(parents=True)
    scores = {task: {score: value} for task, value in psnr.items()}
    degraded = {task: {score: 10.0} for task in psnr}
    lines = [
        {'method': 'degraded', 'source': 'measured', 'protocol': protocol, 'scores': degraded},
        {'method': method, 'source': source, 'protocol': protocol, 'scores': scores},
    ]
    (folder / 'table.json').write_text(json.dumps({'scores': {score: about}, 'lines': lines}))
    return folder


ONE = {'haze': 20.0, 'rain': 25.0, 'noise': 27.0, 'average': 24.0}
TWO = {'haze': 22.0, 'rain': 25.0, 'noise': 26.0}


def test_what_all_methods_have(tmp_path):
    folders = [table(tmp_path / 'a', 'mine', ONE), table(tmp_path / 'b', 'mine', TWO)]
    _, methods = read_tables(folders, 'psnr')
    # The degraded images differ by a column, and are not the same line.
    assert [one.name for one in methods] == ['degraded', 'mine', 'degraded (b)', 'mine (b)']
    assert columns_of(methods) == ['haze', 'rain', 'noise']
    found = spokes(methods[1::2], ['haze', 'rain'])
    assert found['haze'] == pytest.approx((19.8, 22))
    assert found['rain'] == pytest.approx((24.9, 25))


def test_equal_lines_stand_once(tmp_path):
    folders = [table(tmp_path / 'a', 'mine', ONE), table(tmp_path / 'b', 'yours', ONE)]
    assert [one.name for one in read_tables(folders, 'psnr')[1]] == ['degraded', 'mine', 'yours']


def test_protocols_are_not_mixed_without_a_word(tmp_path):
    folders = [
        table(tmp_path / 'a', 'mine', ONE),
        table(tmp_path / 'b', 'mine', ONE, protocol='y601'),
    ]
    _, methods = read_tables(folders, 'psnr')
    assert [one.name for one in methods] == [
        'degraded (aio)',
        'mine (aio)',
        'degraded (y601)',
        'mine (y601)',
    ]
    assert [one.protocol for one in methods] == ['aio', 'aio', 'y601', 'y601']
    content = json.loads((folders[0] / 'table.json').read_text())
    content['lines'][1]['likely_protocol'] = content['lines'][1].pop('protocol')
    (folders[0] / 'table.json').write_text(json.dumps(content))
    assert read_tables(folders[:1], 'psnr')[1][1].name == 'mine (likely aio)'


def test_names_are_told_apart(tmp_path):
    folders = [table(tmp_path / k / 'x', 'mine', {'haze': i}) for i, k in enumerate('tuv')]
    names = [one.name for one in read_tables([*folders, folders[1]], 'psnr')[1]]
    assert names == ['degraded', 'mine', 'mine (x)', 'mine (x) 2']


def test_no_line_with_a_finite_score(tmp_path):
    one = table(tmp_path / 'a', 'mine', {'haze': None}, score='fid')
    text = (one / 'table.json').read_text().replace('10.0', 'null')
    (one / 'table.json').write_text(text)
    with pytest.raises(ValueError, match='--score fid: no line has a finite fid'):
        read_tables([one], 'fid')


def test_mistakes(tmp_path):
    one = table(tmp_path / 'a', 'mine', ONE)
    with pytest.raises(FileNotFoundError, match='irbox test writes it'):
        read_tables([tmp_path / 'none.json'], 'psnr')
    with pytest.raises(ValueError, match="no score 'psnt'. Did you mean 'psnr'"):
        read_tables([one], 'psnt')
    (tmp_path / 'x.json').write_text('[1]')
    with pytest.raises(ValueError, match='is no table.json'):
        read_tables([tmp_path / 'x.json'], 'psnr')
    other = table(tmp_path / 'b', 'yours', {'snow': 3.0})
    with pytest.raises(ValueError, match='share no column'):
        columns_of(read_tables([one, other], 'psnr')[1])


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    score, methods = read_tables([table(tmp_path / 'a', 'mine', ONE, unit='dB')], 'psnr')
    analyze(methods, score, Output(tmp_path, 'summary', {}))
    assert score == Score('psnr', 'dB')
    written = json.loads((tmp_path / 'summary.json').read_text())
    assert written['methods'][1] == {
        'method': 'mine',
        'source': 'measured',
        'protocol': 'aio',
        **ONE,
    }
    for stem in ('summary_bars', 'summary_radar'):
        assert (tmp_path / f'{stem}.svg').exists()


def test_of_a_score_that_should_be_low_the_lowest_is_at_the_rim(tmp_path):
    folder = table(tmp_path / 'a', 'mine', ONE, score='lpips', higher_is_better=False)
    score, methods = read_tables([folder], 'lpips')
    assert score.text == 'lpips, lower is better'
    # The degraded images have 10 everywhere, ours 20 of haze and 25 of rain.
    found = spokes(methods, ['haze', 'rain'], score.lower_is_better)
    assert found['haze'] == pytest.approx((21, 10))
    assert found['rain'] == pytest.approx((26.5, 10))
    assert spokes(methods[:1], ['haze'], True)['haze'] == pytest.approx((10.1, 10))
