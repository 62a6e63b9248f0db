import json
import math

import pytest
from rich.console import Console

from irbox.evaluation.tables import Row, name_tasks, results_table, to_rows, write_results
from irbox.evaluation.tables.results import without_row

ROWS = [
    Row('haze', 'aio', 15.0, 0.8, 22.5, 0.9),
    Row('mean', 'aio', 15.0, 0.8, math.inf, 0.9),
]


@pytest.mark.parametrize(
    ('labels', 'tasks'),
    [
        ({'': ['haze', 'rain']}, ['haze', 'rain']),
        ({'': ['haze']}, ['haze']),
        ({'held_out': ['haze', 'rain']}, ['haze', 'rain']),
        ({'sots': ['haze']}, ['sots']),
        ({'sots': ['haze'], 'rain100l': ['rain']}, ['sots', 'rain100l']),
        ({'sots': ['haze'], 'cdd11': ['haze', 'rain']}, ['sots', 'cdd11/haze', 'cdd11/rain']),
    ],
)
def test_name_tasks(labels, tasks):
    assert list(name_tasks(labels).values()) == tasks


def test_rows_from_metrics():
    metrics = {
        f'{task}/{name}': value
        for task in ('cdd11/haze', 'mean')
        for name, value in {'input_psnr': 1, 'input_ssim': 2, 'psnr': 3, 'ssim': 4}.items()
    }
    metrics |= {'other/time': 1.0, 'images': 3}
    rows = to_rows(metrics, 'cdd11')
    assert without_row(metrics, rows) == {'other/time': 1.0, 'images': 3}
    assert [row.task for row in rows] == ['cdd11/haze', 'mean']
    assert (rows[0].input_psnr, rows[0].ssim, rows[0].gain) == (1, 4, 2)


def test_written_rows_have_exactly_the_promised_keys(tmp_path):
    write_results(ROWS, tmp_path / 'results.json')
    content = json.loads((tmp_path / 'results.json').read_text())
    assert [list(row) for row in content] == [
        ['task', 'protocol', 'input_psnr', 'input_ssim', 'psnr', 'ssim']
    ] * 2
    assert content[0]['psnr'] == 22.5
    assert content[1]['psnr'] is None
    assert [file.name for file in tmp_path.iterdir()] == ['results.json']


def test_rows_of_several_protocols_and_other_metrics():
    names = ('input_psnr', 'input_ssim', 'psnr', 'ssim')
    metrics = {
        f'{task}/{name}{suffix}': value + 10 * number
        for task in ('haze', 'mean')
        for number, suffix in enumerate(('', '@y601'))
        for value, name in enumerate(names)
    }
    metrics |= {'haze/lpips': 0.3, 'mean/lpips': 0.3, 'haze/fid_images': 5}
    rows = to_rows(metrics, ['aio', 'y601'])
    assert [(row.task, row.protocol) for row in rows] == [
        ('haze', 'aio'),
        ('mean', 'aio'),
        ('haze', 'y601'),
        ('mean', 'y601'),
    ]
    assert (rows[0].psnr, rows[2].psnr) == (2, 12)
    # Other metrics follow no protocol.
    assert [row.extra for row in rows] == [{'lpips': 0.3, 'fid_images': 5}, {'lpips': 0.3}, {}, {}]
    assert list(rows[0].flat())[-3:] == ['ssim', 'lpips', 'fid_images']


def test_table_shows_other_metrics(tmp_path):
    rows = [Row('haze', 'aio', 15.0, 0.8, 22.5, 0.9, {'lpips': 0.123}), *ROWS[1:]]
    console = Console(width=120, record=True, file=open('/dev/null', 'w'))  # noqa: SIM115
    console.print(results_table(rows))
    assert 'lpips' in console.export_text(clear=False) and '0.123' in console.export_text()
    write_results(rows, tmp_path / 'results.json')
    assert json.loads((tmp_path / 'results.json').read_text())[0]['lpips'] == 0.123


def test_table_shows_gain_and_protocol():
    console = Console(width=120, record=True, file=open('/dev/null', 'w'))  # noqa: SIM115
    console.print(results_table(ROWS, 'a title'))
    text = console.export_text()
    assert 'a title' in text and '+7.50' in text and 'aio' in text and 'mean' in text
