import re

import pytest

from irbox.evaluation import PROTOCOLS
from irbox.evaluation.tables import find_published, published_names, read_published
from support.paths import ROOT

ROWS = {
    'm2ir_1': 17,
    'm2ir_2': 17,
    'm2ir_3': 9,
    'm2ir_4': 8,
    'm2ir_5_haze': 12,
    'm2ir_5_noise': 13,
    'm2ir_5_rain': 12,
    'm2ir_6': 4,
    'm2restore_1': 17,
    'peers_allweather': 2,
    'peers_cdd11': 1,
    'peers_gopro': 2,
    'peers_reds': 1,
    'peers_sidd': 2,
}
# The printed average is not that of the printed columns, beyond what rounding explains.
MISPRINTS = {
    ('m2ir_1', 'Restormer', 'psnr'),
    ('m2ir_1', 'NAFNet', 'ssim'),
    ('m2ir_1', 'FSNet', 'ssim'),
    ('m2ir_1', 'MEASNet', 'psnr'),
    ('m2ir_1', 'BaryIR', 'psnr'),
    ('m2ir_2', 'MIRAGE', 'psnr'),
}
TABLES = [read_published(name) for name in published_names()]


def test_all_tables_are_there_with_all_their_rows():
    assert {table.name: len(table.rows) for table in TABLES} == ROWS


@pytest.mark.parametrize('table', TABLES, ids=lambda table: table.name)
def test_every_row_is_complete(table):
    for row in table.rows:
        assert len(row.cells) == len(table.columns)
        cells = [*row.cells, *([row.average] if row.average else [])]
        for cell in cells:
            assert tuple(cell) == table.scores
            for text in cell.values():
                assert re.fullmatch(r'\d+\.\d{2,4}', text), f'{row.method}: {text}'
        for cell in cells:
            assert 5 < float(cell['psnr']) < 45
            assert 0.4 < float(cell.get('ssim', '0.5')) < 1
        assert row.protocol is None or row.protocol in PROTOCOLS
    assert len({row.method for row in table.rows}) == len(table.rows)
    assert table.confidence


def test_averages_are_those_of_the_columns_but_for_the_known_misprints():
    found = set()
    compared = 0
    for table in TABLES:
        for row in table.rows:
            for score, text in (row.average or {}).items():
                step = 10.0 ** -len(text.partition('.')[2])
                mean = sum(float(cell[score]) for cell in row.cells) / len(row.cells)
                compared += 1
                # The columns are rounded, and so is the average: less than one step of its last
                # digit may lie between them.
                if abs(mean - float(text)) >= step * (1 - 1e-6):
                    found.add((table.name, row.method, score))
    assert compared == 2 * (16 + 17 + 9 + 17) + 4 * 8 + 2 * 2 + 1
    assert found == MISPRINTS


def test_misprints_are_told():
    for name, method, _ in MISPRINTS:
        (note,) = (note for note in read_published(name).notes if 'columns do not give' in note)
        assert method in note


# Read off the papers by eye.
@pytest.mark.parametrize(
    ('name', 'method', 'column', 'cell'),
    [
        ('m2ir_1', 'M2IR', 0, {'psnr': '32.63', 'ssim': '0.984'}),
        ('m2ir_1', 'AirNet', 4, {'psnr': '28.00', 'ssim': '0.797'}),
        ('m2ir_2', 'M2IR', 3, {'psnr': '29.09', 'ssim': '0.878'}),
        ('m2ir_3', 'OneRestore', 7, {'psnr': '29.99', 'ssim': '0.957'}),
        ('m2ir_3', 'AdaIR*', 0, {'psnr': '26.88', 'ssim': '0.821'}),
        (
            'm2ir_4',
            'DiffUIR',
            2,
            {'psnr': '27.87', 'ssim': '0.844', 'lpips': '0.1619', 'fid': '68.99'},
        ),
        ('m2ir_5_noise', 'M2IR', 8, {'psnr': '29.89'}),
        ('m2ir_5_haze', 'FDGAN', 0, {'psnr': '23.15', 'ssim': '0.921'}),
        ('m2ir_5_rain', 'DRSformer', 0, {'psnr': '38.14', 'ssim': '0.983'}),
        ('m2ir_6', 'PromptIR', 0, {'psnr': '20.47', 'ssim': '0.764'}),
        ('m2restore_1', 'M2Restore', 1, {'psnr': '31.20', 'ssim': '0.911'}),
        ('peers_allweather', 'Histoformer', 3, {'psnr': '33.06', 'ssim': '0.9441'}),
        ('peers_allweather', 'MODEM', 0, {'psnr': '38.08', 'ssim': '0.9673'}),
        ('peers_cdd11', 'BioIR-small', 6, {'psnr': '26.01'}),
        ('peers_gopro', 'NAFNet-64', 0, {'psnr': '33.7103', 'ssim': '0.9668'}),
    ],
)
def test_numbers(name, method, column, cell):
    (row,) = (row for row in read_published(name).rows if row.method == method)
    assert row.cells[column] == cell


def test_protocols_of_single_rows():
    protocols = {row.method: row.protocol for row in read_published('m2ir_1').rows}
    assert (protocols['M2IR'], protocols['MoCE-IR']) == ('aio', 'aio_gauss')
    protocols = {row.method: row.protocol for row in read_published('m2restore_1').rows}
    assert protocols['TransWeather'] == 'y601'
    assert protocols['M2Restore'] == protocols['AdaIR'] == 'm2restore_legacy'
    assert protocols['MPRNet'] is None
    protocols = {row.method: row.protocol for row in read_published('peers_allweather').rows}
    assert protocols == {'Histoformer': 'histoformer', 'MODEM': 'modem'}
    assert {row.protocol for row in read_published('m2ir_4').rows} == {'weatherbench_rgb'}


def test_unknown_name():
    with pytest.raises(ValueError, match="'m2ir_7'.*Did you mean 'm2ir_"):
        read_published('m2ir_7')
    with pytest.raises(ValueError, match='No published table'):
        read_published('../published/m2ir_1')


OWN = """
paper: our earlier work
scores: [psnr, edge_error]
columns:
  - {title: Night, tasks: [night, dark]}
  - {title: Fog, tasks: [fog]}
average: mean of the two columns
rows:
  - {method: Ours v1, printed: 20.10/0.05 21.00/-, average: 20.55/0.05}
"""


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(OWN)
    table = read_published(str(path))
    assert (table.name, table.label, table.confidence) == ('mine', 'our earlier work', 'not said')
    (row,) = table.rows
    assert row.cells == ({'psnr': '20.10', 'edge_error': '0.05'}, {'psnr': '21.00'})
    assert row.protocol is None and row.average == {'psnr': '20.55', 'edge_error': '0.05'}
    assert table.match(['fog', 'a/dark']) == ['a/dark', 'fog']


def test_the_table_of_the_guide(tmp_path):
    guide = (ROOT / 'docs/metrics.md').read_text()
    (text,) = re.findall(r'`my_table.yaml`:\n\n```yaml\n(.*?)```', guide, re.DOTALL)
    path = tmp_path / 'my_table.yaml'
    path.write_text(text)
    table = read_published(str(path))
    assert [row.cells[1] for row in table.rows] == [{'psnr': '36.50', 'ssim': '0.981'}, {}]
    assert {row.protocol for row in table.rows} == {'aio'}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (('paper:', 'papers:'), "mine.yaml takes no 'papers'. Did you mean 'paper'"),
        (('paper: our earlier work', ''), 'mine.yaml needs paper'),
        (('[psnr, edge_error]', 'psnr'), "scores='psnr' must be a list"),
        (('tasks: [fog]', 'tasks: fog'), "columns.1: tasks='fog' must be a list"),
        (('title: Fog, ', ''), 'columns.1 needs title'),
        (('20.10/0.05 21.00/-', '20.10/0.05'), 'rows.0: printed has 1 cells, and there are 2'),
        (('20.10/0.05 21.00', '20.10 21.00'), r"rows.0: '20.10' must hold 2 scores \(psnr, edge"),
        (('20.10/0.05', 'x/0.05'), "'x' in 'x/0.05' is no number"),
        (('20.55/0.05', '20.55'), r'average=20.55 must be text: put it in quotes'),
        (('method: Ours v1, ', ''), 'rows.0 needs method'),
        (('rows:', 'rows: {'), 'is not valid YAML'),
        ((OWN, '[]'), r'mine.yaml must be a mapping, got \[\]'),
    ],
)
def test_mistakes_in_a_table_of_ones_own(tmp_path, change, message):
    path = tmp_path / 'mine.yaml'
    path.write_text(OWN.replace(*change))
    with pytest.raises(ValueError, match=message):
        read_published(str(path))


def test_a_table_that_is_not_there():
    with pytest.raises(FileNotFoundError, match='The published table none.yaml does not exist'):
        read_published('none.yaml')


@pytest.mark.parametrize(
    ('tasks', 'name'),
    [
        (['noise_50', 'haze', 'rain', 'noise_15', 'noise_25'], 'm2ir_1'),
        (['haze', 'rain', 'noise_25', 'blur', 'low_light'], 'm2ir_2'),
        (['haze', 'rain', 'snow'], 'm2ir_4'),
        (['snow', 'raindrop', 'rain_fog'], 'm2restore_1'),
        (['rain100l'], 'm2ir_5_rain'),
        (['csd'], 'm2ir_6'),
        (['snow_s', 'snow', 'raindrop', 'rain_fog'], 'peers_allweather'),
        (['sidd'], 'peers_sidd'),
    ],
)
def test_the_table_of_a_set_of_tasks(tasks, name):
    assert find_published(tasks).name == name


@pytest.mark.parametrize(
    ('config', 'name'),
    [
        ('m2ir_3d', 'm2ir_1'),
        ('m2ir_5d', 'm2ir_2'),
        ('m2ir_denoise', 'm2ir_5_noise'),
        ('m2ir_dehaze', 'm2ir_5_haze'),
        ('m2ir_derain', 'm2ir_5_rain'),
        ('m2restore_allweather', 'm2restore_1'),
    ],
)
def test_our_configs_have_the_tasks_of_the_tables(config, name):
    from irbox.config.load_config import load_config

    sets = load_config(ROOT / 'configs' / f'{config}.py').val_dataloader
    assert find_published([task for task, given in sets.items() if given is not None]).name == name


def test_no_table_has_these_tasks():
    tasks = ['haze', 'rain', 'noise_15', 'noise_25', 'noise_50', 'blur', 'low_light']
    with pytest.raises(
        ValueError, match=r'exactly the tasks haze.*--published TABLE.*m2ir_2 \(haze'
    ):
        find_published(tasks)


def test_tasks_in_their_columns():
    table = read_published('m2ir_2')
    tasks = ['low_light', 'real/haze', 'noise_15', 'noise_25', 'gopro']
    assert table.match(tasks) == ['real/haze', None, 'noise_25', 'gopro', 'low_light']
    assert table.match(['a/haze', 'haze'])[0] == 'haze'
    with pytest.raises(ValueError, match="a/haze and b/haze both belong into the column 'Dehazing"):
        table.match(['a/haze', 'b/haze'])
