import csv
import io
import json
import math

import pytest
from rich.console import Console

from irbox.evaluation import FIDMetric, LPIPSMetric, ScoreInfo
from irbox.evaluation.tables import (
    Origin,
    Row,
    read_published,
    score_table,
    table_notes,
    text_tables,
    to_rows,
    write_tables,
)
from irbox.evaluation.tables.table_formats import to_csv, to_json, to_latex, to_text

ORIGIN = Origin('m2ir_5d', 'work_dirs/m2ir_5d/final.pth', '0123456789abcdef' * 4)
TASKS = ('haze', 'rain', 'noise_15', 'noise_25', 'noise_50', 'blur', 'low_light')


def rows(tasks=TASKS, protocol='aio', **extra):
    values = [
        Row(t, protocol, 20 + i, 0.8, 30 + i, 0.9 + 0.01 * i, extra) for i, t in enumerate(tasks)
    ]
    mean = Row('mean', protocol, 23, 0.8, 30 + (len(tasks) - 1) / 2, 0.93, extra)
    return [*values, mean]


def test_a_column_per_task_and_their_mean():
    table = score_table(rows(), ORIGIN)
    assert table.columns == TASKS
    degraded, ours = table.lines
    assert (degraded.method, ours.method) == ('degraded', 'm2ir_5d')
    assert [cell['psnr'] for cell in degraded.cells] == list(range(20, 27))
    assert [cell['psnr'] for cell in ours.cells] == list(range(30, 37))
    assert ours.average == pytest.approx({'psnr': 33, 'ssim': 0.93})
    assert table.average == 'mean of the 7 columns'
    assert {line.source for line in table.lines} == {'measured'}


def test_the_average_is_that_of_the_results():
    metrics = {}
    for task, before, after in (
        ('rain', 20.0, 30.0),
        ('snow', 22.0, 26.0),
        ('clean', math.inf, 50.0),
    ):
        metrics |= {f'{task}/input_psnr': before, f'{task}/input_ssim': 0.7}
        metrics |= {f'{task}/psnr': after, f'{task}/ssim': 0.9}
    table = score_table(to_rows(metrics, 'aio'), ORIGIN)
    degraded, ours = (line.average for line in table.lines)
    assert (degraded['psnr'], ours['psnr']) == (21, 28)
    assert ours['ssim'] == pytest.approx(0.9)
    assert any(note.endswith('left out of that average: clean.') for note in table.notes)
    assert not any('nfinite' in note for note in score_table(rows(), ORIGIN).notes)


def test_a_single_task_has_no_average():
    table = score_table(rows(['haze']), ORIGIN)
    assert table.average is None and table.lines[1].average == {}
    assert 'average' not in to_text(table)


def test_table_ii_averages_the_middle_noise_level_only():
    table = score_table(rows(), ORIGIN, read_published('m2ir_2'))
    assert [cell['psnr'] for cell in table.lines[1].cells] == [30, 31, 33, 35, 36]
    assert table.lines[1].average['psnr'] == pytest.approx((30 + 31 + 33 + 35 + 36) / 5)
    assert len(table.lines) == 2  # nothing published unless asked
    assert any('noise_15, noise_50' in note for note in table.notes)


@pytest.mark.parametrize(
    ('name', 'tasks'),
    [
        ('m2ir_1', ['haze', 'rain', 'noise_15', 'noise_25', 'noise_50']),
        (
            'm2ir_3',
            [f'cdd11/{column.tasks[0]}' for column in read_published('m2ir_3').columns],
        ),
        ('m2restore_1', ['rain_fog', 'snow', 'raindrop']),
    ],
)
def test_averages_of_the_papers(name, tasks):
    layout = read_published(name)
    assert len(layout.columns) == len(tasks)
    table = score_table(rows(tasks), ORIGIN, layout)
    assert table.lines[1].average['psnr'] == pytest.approx(30 + (len(tasks) - 1) / 2)


def test_no_average_where_a_column_is_empty():
    table = score_table(rows(['haze', 'rain']), ORIGIN, read_published('m2ir_2'))
    assert [bool(cell) for cell in table.lines[1].cells] == [True, True, False, False, False]
    assert table.lines[1].average == {}
    assert any('none where a column is empty' in note for note in table.notes)


def test_published_rows_stand_below_and_are_marked():
    layout = read_published('m2restore_1')
    given = rows(['rain_fog', 'snow', 'raindrop'], 'm2restore_legacy')
    table = score_table(given, ORIGIN, layout, published=True)
    below = table.lines[2:]
    assert len(below) == 17
    assert {line.source for line in below} == {'as published (M2Restore, Table I)'}
    texts = {line.method: line.protocol_text for line in below}
    assert texts['TransWeather'] == 'likely y601'
    assert texts['M2Restore'] == 'likely m2restore_legacy'
    assert texts['MPRNet'] == 'not known'
    assert below[-1].average == {'psnr': '31.65', 'ssim': '0.936'}
    notes = ' '.join(table.notes)
    assert 'were not measured here' in notes and 'the table is mixed' in notes
    assert 'm2restore_legacy is not comparable with any other protocol' in notes


def test_several_protocols_are_lines_of_their_own():
    table = score_table([*rows(), *rows(protocol='y601')], ORIGIN)
    assert [line.protocol for line in table.lines] == ['aio', 'aio', 'y601', 'y601']


def test_a_table_without_any_of_the_tasks():
    with pytest.raises(
        ValueError, match='None of the tasks raindrop has a column in M2IR, Table I,'
    ):
        score_table(rows(['raindrop']), ORIGIN, read_published('m2ir_1'))


def everything():
    given = rows(['haze', 'rain', 'snow'], 'weatherbench_rgb', lpips=0.25, fid=80.0, fid_images=200)
    infos = {**LPIPSMetric.scores, **FIDMetric.scores}
    return score_table(given, ORIGIN, read_published('m2ir_4'), published=True, infos=infos)


@pytest.mark.parametrize('render', [to_text, to_csv, to_json, to_latex])
def test_every_format_names_protocol_config_and_checkpoint(render):
    text = render(everything()).replace('\\', '')
    for part in ('weatherbench_rgb', 'm2ir_5d', '0123456789ab', 'as published'):
        assert part in text
    assert '29.62' in text and '0.3232' in text and '109.82' in text  # as printed


def test_text():
    text = to_text(everything())
    line = next(line for line in text.splitlines() if '│ m2ir_5d' in line)
    assert '30.00 / 0.9000 / 0.2500 / 80.00 / 200' in line
    assert '31.00 / 0.9100 / 0.2500 / 80.00 / -' in line  # the mean: of no number of images
    assert 'Cells: PSNR (dB) / SSIM / LPIPS / FID / N of FID.' in text
    assert '23.63 / 0.739 / 0.3232 / 109.82 / -' in text


def test_scores_are_printed_as_their_metrics_declare():
    infos = {'sharpness': ScoreInfo(digits=1, higher_is_better=False, unit='px', title='blur')}
    extra = {'input_sharpness': 0.12, 'sharpness': 3.14, 'other': 2.5}
    table = score_table(rows(['haze', 'rain'], **extra), ORIGIN, infos=infos)
    text = to_text(table)
    assert 'Cells: PSNR (dB) / SSIM / blur (px) / OTHER.' in text
    assert 'Lower is better: blur.' in text
    degraded, ours = (line for line in text.splitlines() if ' / ' in line and '│' in line)
    assert '20.00 / 0.8000 / 0.1 / -' in degraded
    assert '30.00 / 0.9000 / 3.1 / 2.5000' in ours
    head = to_csv(table).splitlines()[0]
    assert 'haze blur' in head and 'average OTHER' in head
    content = json.loads(to_json(table))
    assert content['scores']['sharpness'] == {'unit': 'px', 'higher_is_better': False}
    assert content['scores']['other'] == {'unit': '', 'higher_is_better': None}
    assert content['lines'][1]['scores']['rain']['sharpness'] == 3.14
    assert content['lines'][0]['scores']['average']['sharpness'] == pytest.approx(0.12)
    assert 'blur (px)' in to_latex(table) and '/ 3.1 /' in to_latex(table)


def test_text_keeps_within_the_width():
    table = everything()
    for width in (50, 80, 140):
        parts = text_tables(table, width)
        console = Console(width=1000, file=io.StringIO())
        for part in parts:
            console.print(part)
        lines = console.file.getvalue().splitlines()
        fits = max(len(line.rstrip()) for line in lines)
        if width == 50:  # one column is wider than that by itself
            assert len(parts) == 4
        else:
            assert fits <= width
        for title in ('Dehazing', 'Deraining', 'Desnowing', 'average'):
            assert sum(title in line for line in lines) == 1


def test_csv():
    found = list(csv.DictReader(io.StringIO(to_csv(everything()))))
    ours, theirs = found[1], found[-1]
    assert (ours['method'], ours['source'], ours['protocol']) == (
        'm2ir_5d',
        'measured',
        'weatherbench_rgb',
    )
    assert (ours['config'], ours['checkpoint_sha256']) == ('m2ir_5d', '0123456789ab')
    assert float(ours['Deraining PSNR']) == 31 and float(ours['average SSIM']) == pytest.approx(
        0.91
    )
    assert (theirs['method'], theirs['config'], theirs['Dehazing SSIM']) == ('M2IR', '', '0.739')
    assert theirs['source'] == 'as published (M2IR, Table IV)'


def test_json():
    content = json.loads(to_json(everything()))
    assert content['origin'] == {
        'config': 'm2ir_5d',
        'checkpoint': 'work_dirs/m2ir_5d/final.pth',
        'sha256': '0123456789abcdef' * 4,
    }
    ours, theirs = content['lines'][1], content['lines'][-1]
    assert ours['protocol'] == 'weatherbench_rgb' and 'likely_protocol' not in ours
    assert ours['scores']['Desnowing']['psnr'] == 32
    assert theirs['likely_protocol'] == 'weatherbench_rgb' and 'protocol' not in theirs
    assert theirs['scores']['average']['fid'] == '83.83'


def test_scores_that_are_no_numbers():
    given = [Row('haze', 'aio', 20, 0.8, math.inf, 1.0, {'fid': math.nan})]
    table = score_table(given, ORIGIN)
    assert json.loads(to_json(table))['lines'][1]['scores']['haze']['psnr'] is None
    assert 'inf / 1.0000 / -' in to_text(table)


def test_latex_is_for_booktabs_with_a_short_caption():
    lines = to_latex(everything()).splitlines()
    body = [line for line in lines if not line.startswith('%')]
    assert not any('hline' in line for line in body)
    assert [line for line in body if line.endswith('rule')] == [
        r'\toprule',
        r'\midrule',
        r'\midrule',
        r'\bottomrule',
    ]
    (caption,) = (line for line in body if line.startswith(r'\caption'))
    assert caption == (
        r'\caption{m2ir\_5d, in the columns of M2IR, Table IV. '
        r'Cells: PSNR (dB) / SSIM / LPIPS / FID / N of FID.}'
    )
    # What a reader must know is not lost.
    assert any(line.startswith('% Measured with irbox') for line in lines)


def test_latex_escapes_and_balances():
    text = to_latex(score_table(rows(), ORIGIN, read_published('m2ir_2'), published=True))
    assert r'm2ir\_5d' in text and r'$\sigma$=25' in text
    assert text.count('{') == text.count('}')
    for row in text.splitlines():
        if row.endswith(r'\\') and 'multicolumn' not in row:
            assert row.count(' & ') == 7
    assert not [line for line in text.splitlines() if '_' in line.replace(r'\_', '')]


def test_files(tmp_path):
    paths = write_tables(everything(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'table.csv',
        'table.json',
        'table.tex',
        'table.txt',
    ]
    assert [path.suffix for path in paths] == ['.txt', '.csv', '.json', '.tex']
    assert all(note in paths[0].read_text() for note in table_notes(everything()))


def test_what_was_tiled_is_said():
    notes = table_notes(score_table([*rows(), *rows(protocol='aio+tile256')], ORIGIN))
    (said,) = (note for note in notes if 'tiles' in note)
    assert said == 'aio+tile256: the network saw images above 256 pixels a side in tiles.'
