import csv
import hashlib
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from irbox.config.command_line import run_tool
from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.checkpoint import write_checkpoint
from irbox.engine.prepare import prepare_test
from irbox.registry import METRICS
from support.paths import ROOT

DOCS = (ROOT / 'docs/plugins.md').read_text()
# The named files of the guide.
GUIDE = dict(re.findall(r'`([\w./-]+\.\w+)`:\n\n```\w+\n(.*?)```', DOCS, re.DOTALL))
TEXTS = ('table.txt', 'table.csv', 'table.tex')
TINY = ROOT / 'tests/support/tiny.yaml'


def run(*arguments):
    """Run the tool in this process; gives its exit code."""
    main = runpy.run_path(str(ROOT / 'tools/test.py'))['main']
    try:
        run_tool(lambda: main([str(argument) for argument in arguments]))
    except SystemExit as leaving:
        return leaving.code
    return 0


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    compat.init()
    path = tmp_path_factory.mktemp('weights') / 'final.pth'
    model = prepare_test(load_config(TINY, {'randomness.seed': 3})).model
    write_checkpoint({'meta': {}, 'state_dict': model.state_dict()}, path)
    return path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test starts in an empty folder outside the repository."""
    folder = tmp_path / 'cwd'
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv('IRBOX_DEBUG', raising=False)
    return folder


def test_table_and_results(checkpoint, elsewhere, capsys):
    assert run(TINY, checkpoint) == 0
    rows = json.loads((elsewhere / 'work_dirs/tiny/results.json').read_text())
    assert [row['task'] for row in rows] == ['dark', 'mixed/dark', 'mixed/darker', 'mean']
    assert [list(row) for row in rows] == [
        ['task', 'protocol', 'input_psnr', 'input_ssim', 'psnr', 'ssim']
    ] * 4
    for score in ('input_psnr', 'input_ssim', 'psnr', 'ssim'):
        assert rows[3][score] == pytest.approx(sum(row[score] for row in rows[:3]) / 3)
    output = capsys.readouterr().out
    assert 'mixed/darker' in output and f'{rows[0]["psnr"]:.2f}' in output
    assert f'{rows[3]["psnr"] - rows[3]["input_psnr"]:+.2f}' in output


def test_the_same_again(checkpoint, elsewhere):
    assert run(TINY, checkpoint, '--work-dir', 'a') == run(TINY, checkpoint, '--work-dir', 'b') == 0
    one, two = (Path(name, 'results.json').read_text() for name in 'ab')
    assert one == two


def test_a_training_s_config_is_not_overwritten(checkpoint, elsewhere):
    (elsewhere / 'w').mkdir()
    (elsewhere / 'w/config.yaml').write_text('kept')
    assert run(TINY, checkpoint, '--work-dir', 'w') == 0
    assert (elsewhere / 'w/config.yaml').read_text() == 'kept'


def test_pictures(checkpoint, elsewhere):
    assert run(TINY, checkpoint, '--out', 'images', '--contact-sheet', 'new/sheet.png') == 0
    assert sorted(file.name for file in (elsewhere / 'images').iterdir()) == [
        'dark_square_0.png',
        'dark_square_1.png',
        'dark_square_2.png',
        'mixed_dark_square_0.png',
        'mixed_dark_square_2.png',
        'mixed_darker_square_1.png',
        'mixed_darker_square_3.png',
    ]
    compat.init()
    prepared = prepare_test(load_config(TINY))
    prepared.model.load_state_dict(torch.load(checkpoint, weights_only=True)['state_dict'])
    sample = prepared.sections['test_dataloader']['dark'].dataset[1]
    with torch.no_grad():
        restored = prepared.model.eval()(sample['image'][None])[0].clamp(0, 1)
    with Image.open(elsewhere / 'images/dark_square_1.png') as image:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert (pixels / 255 - restored).abs().max() <= 0.5 / 255 + 1e-6
    with Image.open(elsewhere / 'new/sheet.png') as sheet:
        assert sheet.width > 3 * 16 and sheet.height > 3 * 16


def test_protocol(checkpoint, elsewhere):
    assert run(TINY, checkpoint, '--protocol', 'cdd11') == 0
    rows = json.loads(Path('work_dirs/tiny/results.json').read_text())
    assert {row['protocol'] for row in rows} == {'cdd11'}


def test_several_protocols(checkpoint, elsewhere, capsys):
    assert run(TINY, checkpoint, '--protocol', 'aio', 'm2restore_legacy', 'aio') == 0
    rows = json.loads(Path('work_dirs/tiny/results.json').read_text())
    tasks = ['dark', 'mixed/dark', 'mixed/darker', 'mean']
    assert [(row['task'], row['protocol']) for row in rows] == [
        (task, protocol) for protocol in ('aio', 'm2restore_legacy') for task in tasks
    ]
    assert rows[0]['psnr'] != rows[4]['psnr']
    assert 'm2restore_legacy is not comparable' in capsys.readouterr().out


def test_scores_of_images(checkpoint, elsewhere, capsys):
    rows = {}
    for name in 'ab':
        given = ('--work-dir', name, '--per-image', f'new/{name}.csv', '--protocol', 'aio', 'y601')
        assert run(TINY, checkpoint, *given) == 0
        with open(f'new/{name}.csv', newline='') as file:
            rows[name] = list(csv.DictReader(file))
    assert rows['a'] == rows['b']
    assert '95 % bootstrap interval' in capsys.readouterr().out
    # Their means are what results.json says.
    for result in json.loads(Path('a/results.json').read_text()):
        if result['task'] == 'mean':
            continue
        own = [r for r in rows['a'] if all(r[k] == result[k] for k in ('task', 'protocol'))]
        assert own and len({row['image'] for row in own}) == len(own)
        for score in ('input_psnr', 'input_ssim', 'psnr', 'ssim'):
            mean = sum(float(row[score]) for row in own) / len(own)
            assert mean == pytest.approx(result[score])
    main = runpy.run_path(str(ROOT / 'tools/compare_results.py'))['main']
    main(['new/a.csv', 'new/b.csv', '--json', 'new/c.json', '--resamples', '99'])
    found = json.loads(Path('new/c.json').read_text())['comparisons']
    assert {one['task'] for one in found} == {'dark', 'mixed/dark', 'mixed/darker', 'mean'}
    assert all(one['difference']['mean'] == 0 and one['signs']['p'] == 1 for one in found)
    printed = capsys.readouterr().out
    assert '+0.000 [+0.000, +0.000]' in printed and '…' not in printed


def test_scores_of_images_into_what_cannot_be_written(checkpoint, capsys):
    assert run(TINY, checkpoint, '--per-image', 'scores.json') == 2
    assert 'must end in .csv or .parquet' in capsys.readouterr().err


def test_tables(checkpoint, elsewhere, capsys):
    assert run(TINY, checkpoint, '--work-dir', 'w') == 0
    rows = json.loads(Path('w/results.json').read_text())
    content = json.loads(Path('w/table.json').read_text())
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert content['origin'] == {
        'config': 'tiny',
        'checkpoint': str(checkpoint),
        'sha256': sha256,
    }
    ours = content['lines'][1]['scores']
    assert list(ours) == ['dark', 'mixed/dark', 'mixed/darker', 'average']
    assert ours['average']['psnr'] == pytest.approx(rows[3]['psnr'])
    for name in ('table.txt', 'table.csv', 'table.tex'):
        text = Path('w', name).read_text().replace('\\', '')
        assert sha256[:12] in text and 'aio' in text and 'tiny' in text
    output = capsys.readouterr().out
    assert sha256[:12] in output and 'average' in output


def test_other_metrics_in_a_config(checkpoint, tmp_path, capsys, monkeypatch):
    stand_ins = runpy.run_path(str(ROOT / 'tests/support/metric_packages.py'))
    monkeypatch.setitem(sys.modules, 'lpips', stand_ins['lpips_module']())
    monkeypatch.setitem(sys.modules, 'torch_fidelity', stand_ins['torch_fidelity_module']())
    torch.save(stand_ins['alexnet'](weights=None).state_dict(), tmp_path / 'alexnet.pth')
    layer = torch.nn.ModuleDict({'layer': torch.nn.Linear(3, 5)})
    torch.save(layer.state_dict(), tmp_path / 'inception.pth')
    path = tmp_path / 'judged.yaml'
    path.write_text(
        f"""
_base_: {TINY}
test_evaluator:
  - {{type: RestorationMetric, protocol: weatherbench_rgb}}
  - {{type: LPIPSMetric, weights: {tmp_path}/alexnet.pth, jpeg_quality: 95}}
  - {{type: FIDMetric, weights: {tmp_path}/inception.pth, jpeg_quality: 95}}
test_dataloader:
  haze: {{dataset: {{type: TinyPairs, labels: [dark], length: 3, size: 24}}}}
  rain: {{dataset: {{type: TinyPairs, labels: [dark], length: 2, size: 24}}}}
  snow: {{dataset: {{type: TinyPairs, labels: [dark], length: 2, size: 24}}}}
"""
    )
    assert run(path, checkpoint, '--work-dir', 'w', '--published') == 0
    rows = json.loads(Path('w/results.json').read_text())
    assert [row['task'] for row in rows] == ['haze', 'rain', 'snow', 'mean']
    assert [row.get('fid_images') for row in rows] == [3, 2, 2, None]
    assert all(row['lpips'] > 0 for row in rows)
    assert rows[3]['fid'] == pytest.approx(sum(row['fid'] for row in rows[:3]) / 3)
    output = capsys.readouterr().out
    assert 'M2IR, Table IV' in output and '0.3829 / 134.09' in output
    assert 'N of FID' in output
    assert max(len(line) for line in output.splitlines() if line[:1] in '┏┃┡│├└') <= 80


def test_a_metric_of_ones_own(checkpoint, elsewhere, capsys, monkeypatch):
    """The one of the guide, in every table."""
    for name, text in GUIDE.items():
        if 'edge_error' in name:
            Path(name).write_text(text)
    Path('judged.yaml').write_text(
        f"""
_base_: {TINY}
plugins: [{ROOT}/tests/support/tiny_parts.py, edge_error_metric.py]
val_evaluator: [{{type: RestorationMetric}}, {{type: EdgeErrorMetric}}]
"""
    )
    assert run('judged.yaml', checkpoint, '--work-dir', 'w') == 0
    rows = json.loads(Path('w/results.json').read_text())
    values = [row['edge_error'] for row in rows]
    assert all(0 < value < 2 for value in values)
    assert values[3] == pytest.approx(sum(values[:3]) / 3)
    shown = f'{values[0]:.4f}'
    for text in (capsys.readouterr().out, *(Path('w', name).read_text() for name in TEXTS)):
        assert shown in text
        assert 'edge_error' in text.lower().replace('\\', '')
    assert 'Lower is better: EDGE_ERROR.' in Path('w/table.txt').read_text()
    table = json.loads(Path('w/table.json').read_text())
    assert table['lines'][1]['scores']['dark']['edge_error'] == values[0]
    assert (
        next(csv.DictReader(Path('w/table.csv').read_text().splitlines()))['dark EDGE_ERROR'] == ''
    )
    log = next(Path('w').glob('*/*.log')).read_text()
    assert f'mean/edge_error: {values[3]:.4f}' in log
    # And its test, as the guide has it.
    plugin = sys.modules[METRICS.get('EdgeErrorMetric').__module__]
    monkeypatch.setitem(sys.modules, 'edge_error_metric', plugin)
    runpy.run_path('test_edge_error_metric.py')['test_edge_error_metric']()


def test_a_score_of_a_whole_set_is_shown(checkpoint, elsewhere, capsys):
    Path('count_metric.py').write_text(
        """
from mmengine.evaluator import BaseMetric
from irbox.registry import METRICS

@METRICS.register_module()
class CountMetric(BaseMetric):
    default_prefix = ''
    def process(self, data_batch, data_samples):
        self.results += data_samples
    def compute_metrics(self, results):
        return {'seen': len(results)}
"""
    )
    Path('counted.yaml').write_text(
        f"""
_base_: {TINY}
plugins: [{ROOT}/tests/support/tiny_parts.py, count_metric.py]
val_evaluator: [{{type: RestorationMetric}}, {{type: CountMetric}}]
"""
    )
    assert run('counted.yaml', checkpoint, '--work-dir', 'w') == 0
    assert 'In no table, since it is of no task: mixed/seen 4' in capsys.readouterr().out


def test_two_metrics_of_one_score(checkpoint, elsewhere, capsys):
    Path('twice_metric.py').write_text(
        """
from irbox.evaluation import ImageMetric, ScoreInfo
from irbox.registry import METRICS

@METRICS.register_module()
class TwiceMetric(ImageMetric):
    scores = {'ssim': ScoreInfo()}
    def score(self, restored, target):
        return {'ssim': restored.mean((1, 2, 3))}
"""
    )
    Path('twice.yaml').write_text(
        f"""
_base_: {TINY}
plugins: [{ROOT}/tests/support/tiny_parts.py, twice_metric.py]
val_evaluator: [{{type: RestorationMetric}}, {{type: TwiceMetric}}]
"""
    )
    assert run('twice.yaml', checkpoint) == 2
    message = "val_evaluator: two metrics have a score called 'ssim'. Rename one"
    assert message in capsys.readouterr().err


def test_the_log_leads_with_what_matters(checkpoint, elsewhere):
    assert run(TINY, checkpoint, '--work-dir', 'w') == 0
    lines = next(Path('w').glob('*/*.log')).read_text().splitlines()
    assert len(lines) <= 15
    text = '\n'.join(lines)
    assert 'dark: 3 images from TinyPairs' in text and 'mixed: 4 images from TinyPairs' in text
    assert 'config.yaml' in text and 'mean/psnr' in lines[-1]


def test_no_infinity_in_any_json(tmp_path, elsewhere):
    """A network that restores perfectly: the clean images are given to one that does nothing."""
    Path('perfect_parts.py').write_text(
        """
from irbox.registry import DATASETS, MODELS
from irbox.structures import Context
from torch import nn

@MODELS.register_module()
class Identity(nn.Module):
    def describe(self, image):
        return Context(image)
    def forward(self, image, context=None):
        return image

@DATASETS.register_module()
class PerfectPairs(DATASETS.get('TinyPairs')):
    def __getitem__(self, item):
        sample = super().__getitem__(item)
        return sample | {'image': sample['target']}
"""
    )
    Path('perfect.yaml').write_text(
        f"""
_base_: {TINY}
plugins: [{ROOT}/tests/support/tiny_parts.py, perfect_parts.py]
model: {{network: {{_delete_: true, type: Identity}}}}
val_dataloader: {{dark: {{dataset: {{type: PerfectPairs}}}}, mixed: null}}
"""
    )
    write_checkpoint({'meta': {}, 'state_dict': {}}, tmp_path / 'nothing.pth')
    assert run('perfect.yaml', tmp_path / 'nothing.pth', '--work-dir', 'w') == 0
    files = list(Path('w').rglob('*.json'))
    assert len(files) == 3

    def refuse(constant):
        raise AssertionError(constant)

    contents = [json.loads(file.read_text(), parse_constant=refuse) for file in files]
    assert len(contents) == 3
    assert json.loads(Path('w/results.json').read_text())[0]['psnr'] is None
    assert 'inf / 1.0000' in Path('w/table.txt').read_text()
    assert 'psnr: inf' in next(Path('w').glob('*/*.log')).read_text()


@pytest.mark.parametrize('kind', ['dataloader', 'evaluator'])
def test_options_for_the_test_are_those_of_the_validation_it_stands_for(
    checkpoint, elsewhere, capsys, kind
):
    option = {
        'dataloader': 'test_dataloader.dark.dataset.length=2',
        'evaluator': 'test_evaluator.protocol=cdd11',
    }[kind]
    assert run(TINY, checkpoint, '--work-dir', 'w', '--cfg-options', option) == 0
    rows = json.loads(Path('w/results.json').read_text())
    assert len(rows) == 4
    assert {row['protocol'] for row in rows} == {'cdd11' if kind == 'evaluator' else 'aio'}
    log = next(Path('w').glob('*/*.log')).read_text()
    assert f'dark: {2 if kind == "dataloader" else 3} images' in log


def test_a_published_table_of_ones_own(checkpoint, elsewhere, capsys):
    Path('mine.yaml').write_text(
        """
paper: our earlier work
scores: [psnr, ssim]
columns: [{title: Night, tasks: [dark]}]
rows: [{method: Ours v1, printed: 12.34/0.567}]
"""
    )
    options = (TINY, checkpoint, '--cfg-options', 'val_dataloader.mixed=null', '--work-dir', 'w')
    assert run(*options, '--layout', 'mine.yaml') == 0
    assert '12.34' not in capsys.readouterr().out
    assert run(*options, '--published', 'mine.yaml') == 0
    output = capsys.readouterr().out
    assert '12.34 / 0.567' in output and '(our earlier work)' in output and 'Night' in output


@pytest.fixture
def csd(tmp_path):
    path = tmp_path / 'csd.yaml'
    path.write_text(
        f'_base_: {TINY}\nval_dataloader: {{_delete_: true, csd: {{dataset: '
        '{type: TinyPairs, labels: [dark], length: 2}}}\n'
    )
    return path


@pytest.mark.parametrize('name', [[], ['m2ir_6']])
def test_published_rows_beside_ours(checkpoint, csd, capsys, name):
    assert run(csd, checkpoint, '--work-dir', 'w', '--published', *name) == 0
    output = capsys.readouterr().out
    assert 'as published' in output and '(M2IR, Table VI)' in output
    assert '20.83 / 0.770' in output and 'likely aio' in output and 'not measured here' in output
    lines = json.loads(Path('w/table.json').read_text())['lines']
    assert [line['method'] for line in lines] == [
        'degraded',
        'csd',
        'AirNet',
        'PromptIR',
        'AdaIR',
        'M2IR',
    ]
    # Readers of the results find what was measured, and nothing else.
    assert [row['task'] for row in json.loads(Path('w/results.json').read_text())] == [
        'csd',
        'mean',
    ]


def test_layout_without_published_rows(checkpoint, csd, capsys):
    assert run(csd, checkpoint, '--work-dir', 'w', '--layout', 'm2ir_6') == 0
    assert 'as published' not in capsys.readouterr().out
    assert len(json.loads(Path('w/table.json').read_text())['lines']) == 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--published'], 'No published table has exactly the tasks dark, mixed/dark'),
        (['--layout', 'm2ir_1'], 'None of the tasks dark, mixed/dark'),
    ],
)
def test_a_table_that_does_not_fit_costs_no_results(
    checkpoint, elsewhere, capsys, options, message
):
    assert run(TINY, checkpoint, '--work-dir', 'w', *options) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith('Error: ') and message in captured.err
    assert len(json.loads(Path('w/results.json').read_text())) == 4
    assert Path('w/table.txt').is_file() and 'mixed/darker' in captured.out


MISTAKES = [
    (
        [TINY, 'CHECKPOINT', '--published', 'm2ir_9'],
        "No published table is called 'm2ir_9'. Did you mean 'm2ir_",
    ),
    (
        [TINY, 'CHECKPOINT', '--published', 'm2ir_1', '--layout', 'm2ir_2'],
        '--published m2ir_1 brings its own columns: leave --layout m2ir_2 away',
    ),
    (['none.yaml', 'CHECKPOINT'], 'Config none.yaml does not exist'),
    ([TINY, 'none.pth'], 'Checkpoint none.pth does not exist'),
    ([TINY, TINY], 'is damaged or no file of weights'),
    (
        [TINY, 'CHECKPOINT', '--cfg-options', 'model.network.width=6', 'model.network.norm=False'],
        'another architecture. Of the 4 weights of the config: 5 unknown (network.norm.weight, ',
    ),
    ([TINY, 'CHECKPOINT', '--protocol', 'aoi'], "No protocol is called 'aoi'. Did you mean 'aio'"),
    ([TINY, 'CHECKPOINT', '--contact-sheet', 'sheet.txt'], 'must end in .png'),
    ([TINY, 'CHECKPOINT', '--out', '/proc/irbox'], 'The folder /proc/irbox cannot be written to'),
    ([TINY, 'CHECKPOINT', '--work-dir', '/proc/irbox'], 'cannot be written to'),
    ([TINY, 'CHECKPOINT', '--cfg-options', 'val_dataloader=None'], 'no `test_dataloader`'),
    (
        [TINY, 'CHECKPOINT', '--cfg-options', 'test_dataloader.dark.dataset.length=0'],
        'val_dataloader.dark.dataset holds no samples',
    ),
    (
        [TINY, 'CHECKPOINT', '--cfg-options', 'test_dataloader.dark.batchsize=2'],
        "val_dataloader.dark.batchsize: 'batchsize' is no known key. Did you mean 'batch_size'",
    ),
    ([TINY, 'CHECKPOINT', '--layout', 'none.yaml'], 'published table none.yaml does not exist'),
]


@pytest.mark.parametrize(('arguments', 'message'), MISTAKES, ids=[text for _, text in MISTAKES])
def test_mistakes_are_told_in_one_line_and_leave_nothing(
    arguments, message, checkpoint, elsewhere, capsys
):
    given = [checkpoint if argument == 'CHECKPOINT' else argument for argument in arguments]
    assert run(*given) == 2
    error = capsys.readouterr().err
    assert error.startswith('Error: ')
    assert message in error
    assert error.count('\n') == 1
    assert list(elsewhere.iterdir()) == []
