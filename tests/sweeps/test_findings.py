"""What runs found, as numbers, and as a picture."""

import json
import statistics
import sys
from pathlib import Path

import pytest
from PIL import Image

from irbox.evaluation.tables import MEAN
from irbox.sweeps.findings import Findings, Found, collect, spread
from irbox.sweeps.plot import plot
from irbox.sweeps.run import Run
from irbox.sweeps.sweep import Row, Sweep
from irbox.sweeps.table import markdown, write_csv


def scores(task, psnr, input_psnr=10.0, **others):
    return {
        'task': task,
        'protocol': 'aio',
        'psnr': psnr,
        'ssim': 0.5,
        'input_psnr': input_psnr,
        'input_ssim': 0.25,
    } | others


def findings(*rows, score='gain'):
    sweep = Sweep(Path('s.yaml'), 'Routers', (), {}, (0,), score, '', {})
    return Findings(sweep, 'base', (64, 48), ['3 iterations'], rows)


PLAIN, ROUTED = Row('plain', 'Plain'), Row('routed', 'Routed', published={'psnr': 30.5})
FOUND = Found(
    PLAIN,
    runs={
        0: [scores('haze', 20.0), scores('rain', None), scores(MEAN, 20.0)],
        7: [scores('haze', 23.0, lpips=0.1), scores('rain', 12.0, input_psnr=None)],
    },
)


def test_values_are_one_for_each_seed_that_has_them():
    assert FOUND.values('haze', 'psnr') == [20.0, 23.0]
    assert FOUND.values('haze', 'gain') == [10.0, 13.0]
    assert FOUND.values('haze', 'lpips') == [0.1]
    assert (FOUND.values('rain', 'psnr'), FOUND.values('rain', 'gain')) == ([12.0], [])
    assert FOUND.values('snow', 'psnr') == Found(ROUTED).values('haze', 'psnr') == []


def test_a_table_has_what_any_row_has_and_the_mean_last():
    found = findings(Found(ROUTED), FOUND, Found(ROUTED, runs={0: [scores('snow', 1, fid=9)]}))
    assert found.tasks == ['haze', 'rain', 'snow', MEAN]
    assert (found.protocols, found.others) == (['aio'], ['lpips', 'fid'])
    assert found.input('haze', 'psnr') == 10.0 and found.input('fog', 'psnr') is None
    assert findings(Found(ROUTED)).tasks == []


def test_of_several_protocols_the_table_has_the_first_and_the_csv_all(tmp_path):
    both = [scores('haze', 20.0, lpips=0.1), scores('haze', 24.0, protocol='y601')]
    found = findings(Found(PLAIN, runs={0: both}), score='psnr')
    assert found.rows[0].values('haze', 'psnr') == [20.0] and found.protocols == ['aio']
    text = markdown(found)
    assert 'protocol `aio`;' in text and '| Plain | 20.00 / 0.5000 |' in text
    write_csv(tmp_path / 'a.csv', found)
    lines = (tmp_path / 'a.csv').read_text().splitlines()[1:]
    assert [line.split(',')[4] for line in lines] == ['aio', 'y601']


@pytest.mark.parametrize(
    ('values', 'options', 'text'),
    [
        ([], {}, '–'),
        ([1.25], {}, '1.2'),
        ([1.0, 2.0, 4.0], {}, f'2.3 ± {statistics.stdev([1, 2, 4]):.1f}'),
        ([-1.0, -2.0], {'sign': True}, '-1.5 ± 0.7'),
        ([0.26], {'sign': True}, '+0.3'),
    ],
)
def test_mean_and_sample_deviation_in_words(values, options, text):
    assert spread(values, 1, **options) == text


def test_only_finished_runs_are_collected(tmp_path):
    runs = [Run('plain', seed, f'seed: {seed}\n', tmp_path / str(seed)) for seed in range(4)]
    for run in runs[:3]:
        run.folder.mkdir()
        run.config_file.write_text(run.config)
    for run in runs[:2]:
        (run.folder / 'results.json').write_text(json.dumps([scores('haze', run.seed)]))
    (runs[1].folder / 'seconds.json').write_text('1.5')
    (runs[2].folder / 'seconds.json').write_text('9')
    found = collect(PLAIN, runs, None)
    assert found.values('haze', 'psnr') == [0, 1] and found.seconds == {1: 1.5}


def test_a_plot_has_a_panel_for_what_was_published_and_a_line_for_each_row(tmp_path):
    for name, rows in (('own', [FOUND, Found(PLAIN)]), ('both', [FOUND] * 5 + [Found(ROUTED)])):
        plot(tmp_path / f'new/{name}.png', findings(*rows))
    own, both = (Image.open(tmp_path / f'new/{name}.png') for name in ('own', 'both'))
    # In inches, at 120 dots each.
    assert own.size == (round(120 * 8), round(120 * (1.4 + 2 * 0.35)))
    assert both.size == (round(120 * 11.5), round(120 * (1.4 + 6 * 0.35)))


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    with pytest.raises(ImportError, match='The plot of a sweep needs matplotlib'):
        plot(tmp_path / 'a.png', findings(FOUND))
    assert list(tmp_path.iterdir()) == []
