import csv
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from irbox.sweeps import differences, environments, read_sweep
from irbox.sweeps.table import BEGIN, END
from support.paths import ROOT
from support.sweeps import run_sweep

TOOL = ROOT / 'tools/sweep.py'
TINY = ROOT / 'tests/support/tiny.yaml'
WIDTH = 'model.network.width'

# Stand in for the two tools: write what they would, and remember how they were called.
TRAIN = """
import json, os, pathlib, sys, time
import yaml
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index('--work-dir') + 1])
config = yaml.safe_load(pathlib.Path(arguments[0]).read_text())
width = config['model']['network'].get('width', 4)
call = [pathlib.Path(sys.argv[0]).name, folder.name, time.time(), arguments]
call.append({k: os.environ.get(k) for k in ('CUDA_VISIBLE_DEVICES', 'OMP_NUM_THREADS')})
with open(folder.parent / 'calls', 'a') as file:
    file.write(json.dumps(call) + '\\n')
if width == 13 and not (folder.parent / 'mended').exists():
    print('\\n'.join(f'line {n}' for n in range(40)))
    sys.exit('Error: 13 is unlucky')
if width == 99:
    (folder / 'pid').write_text(str(os.getpid()))
    time.sleep(60)
time.sleep(config.get('train_cfg', {}).get('val_interval', 0) / 100)
"""
TRAIN_ENDS = "(folder / 'final.pth').touch()\n"
TEST_ENDS = """
def row(task, before, after):
    scores = {'input_psnr': before, 'input_ssim': 0.5, 'psnr': after, 'ssim': 0.6}
    return {'task': task, 'protocol': 'aio'} | scores
psnr = 20.0 + width + config['randomness']['seed']
rows = [row('haze', 10.0, psnr), row('noise', 20.0, 24.0), row('mean', 15.0, (psnr + 24) / 2)]
(folder / 'results.json').write_text(json.dumps(rows))
"""
SWEEP = {
    'title': 'Widths',
    'source': 'A paper, Table I',
    'seeds': [0, 1, 2],
    'bases': {'tiny': str(TINY)},
    'rows': [
        {'name': 'full', 'label': 'as it is', 'published': {'psnr': 30.5, 'ssim': 0.9}},
        {'config': 'wide.yaml', 'published': {'psnr': 31.0}},
        {'name': 'w6', 'options': {WIDTH: 6}},
    ],
}


def test_a_table_that_comes_with_irbox_has_a_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_sweep(tmp_path, 'ablations/m2ir/table_vii', '--dry-run', '--base', 'embedded') == 0
    assert 'no_dacp' in capsys.readouterr().out


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Write a sweep, with changes to ``SWEEP``; gives a function that runs it."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    (tools / 'train.py').write_text(TRAIN + TRAIN_ENDS)
    (tools / 'test.py').write_text(TRAIN + TEST_ENDS)
    (tmp_path / 'wide.yaml').write_text(f'_base_: {TINY}\nmodel: {{network: {{width: 8}}}}\n')
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **changes):
        (tmp_path / 'sweep.yaml').write_text(yaml.safe_dump(SWEEP | changes))
        options = ['sweep.yaml', '--work-dir', 'runs', '--size', '16x16', *arguments]
        return run_sweep(tools, *options)

    return run


def calls(folder='runs'):
    file = Path(folder, 'calls')
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def line_of(text, label):
    return next(line for line in text.splitlines() if line.startswith(f'| {label} |'))


def test_trains_every_row_with_every_seed_and_writes_the_table(sweep, capsys):
    assert sweep() == 0
    assert [(call[0], call[1]) for call in calls()][:6] == [
        (tool, f'{row}_seed0') for row in ('full', 'wide', 'w6') for tool in ('train.py', 'test.py')
    ]
    assert len(calls()) == 18
    text = Path('runs/sweep.md').read_text()
    assert text.startswith('# Widths\n') and BEGIN in text and END in text
    assert 'over the seeds 0, 1, 2; 12 iterations on the base `tiny`' in text
    assert "papers' convention" in text and '16x16' in text
    assert 'Published values are those of the paper (A paper, Table I), not ours' in text
    mean = line_of(text, 'as it is')
    # Convolutions of 3x3, 3 -> 4 -> 3, with biases, and a norm of 3; not the prior.
    assert '| 229 |' in mean
    assert '| 3 | 24.50 ± 0.50 | 0.6000 ± 0.0000 |' in mean
    assert mean.endswith('| 30.50 | 0.9000 |')
    assert line_of(text, 'wide').endswith('| 31.00 |  |')
    assert '| degraded: PSNR / SSIM | 10.00 / 0.5000 | 20.00 / 0.5000 | 15.00 / 0.5000 |' in text
    assert '| w6 | 27.00 ± 1.00 / 0.6000 ± 0.0000 | 24.00 ± 0.00 / ' in text
    assert Path('runs/sweep.png').stat().st_size > 1000
    with open('runs/sweep.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 27
    assert rows[0]['row'] == 'full' and rows[0]['seed'] == '0' and rows[0]['psnr'] == '24.0'
    assert rows[0]['published_psnr'] == '30.5' and rows[0]['parameters'] == '229'
    assert float(rows[0]['train_seconds']) > 0
    assert '[9/9] w6, seed 2: mean PSNR 26.00 dB (+11.00)' in capsys.readouterr().out


def test_what_is_done_is_not_done_again(sweep):
    assert sweep('--seeds', 0) == 0
    first, done = Path('runs/sweep.md').read_text(), len(calls())
    assert sweep('--seeds', 0) == 0
    assert len(calls()) == done and Path('runs/sweep.md').read_text() == first
    # Trained and not tested: what was trained stays.
    Path('runs/wide_seed0/results.json').unlink()
    assert sweep('--seeds', 0) == 0
    assert [(call[0], call[1]) for call in calls()[done:]] == [('test.py', 'wide_seed0')]


def test_an_interrupted_run_is_resumed(sweep):
    assert sweep('--seeds', 0, '--rows', 'w6') == 0
    for name in ('final.pth', 'results.json'):
        Path('runs/w6_seed0', name).unlink()
    assert sweep('--seeds', 0, '--rows', 'w6') == 0
    again = calls()[2]
    assert again[0] == 'train.py' and '--resume' in again[3]


def test_a_run_of_another_config_is_kept_and_named(sweep, capsys):
    assert sweep('--seeds', 0) == 0
    kept = Path('runs/full_seed0/results.json').read_text()
    done = len(calls())
    changed = ['--cfg-options', 'train_cfg.max_iters=16']
    assert sweep('--seeds', 0, '--rows', 'full', *changed) == 1
    assert len(calls()) == done and Path('runs/full_seed0/results.json').read_text() == kept
    out = capsys.readouterr().out
    assert 'runs/full_seed0 holds a run of another config (train_cfg.max_iters: 12 -> 16)' in out
    assert 'Choose another --work-dir' in out
    # Its scores are not those of this table.
    assert '| 0 | – |' in line_of(Path('runs/sweep.md').read_text(), 'as it is')


def test_a_failed_row_is_reported_and_the_others_go_on(sweep, capsys):
    rows = [{'name': 'unlucky', 'options': {WIDTH: 13}}, *SWEEP['rows']]
    assert sweep('--seeds', 0, 1, rows=rows) == 1
    out = capsys.readouterr().out
    assert 'unlucky, seed 0: train ended with code 1' in out
    assert 'line 39\n    Error: 13 is unlucky' in out and 'line 2\n' not in out
    assert 'Without results: unlucky, seed 0; unlucky, seed 1.' in out
    text = Path('runs/sweep.md').read_text()
    assert '| 2 |' in line_of(text, 'w6') and '| 0 |' in line_of(text, 'unlucky')
    Path('runs/mended').touch()
    assert sweep('--seeds', 0, 1, rows=rows) == 0
    assert '| 2 |' in line_of(Path('runs/sweep.md').read_text(), 'unlucky')


def test_several_at_a_time_share_gpus_or_cores(sweep, monkeypatch, capsys):
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    assert sweep('--gpus', '0,2') == 2
    assert '--gpus 0,2: this machine has 2 CUDA GPUs' in capsys.readouterr().err
    monkeypatch.setattr('torch.cuda.device_count', lambda: 3)
    assert sweep('--gpus', '0,2', '--jobs', 4, '--seeds', 0, 1) == 0
    used = [call[4]['CUDA_VISIBLE_DEVICES'] for call in calls()]
    assert set(used) == {'0', '2'} and None not in used
    assert environments(2, []) == [{'OMP_NUM_THREADS': str(max(1, cores() // 2))}] * 2
    assert environments(None, ['0', '1']) == [
        {'CUDA_VISIBLE_DEVICES': '0'},
        {'CUDA_VISIBLE_DEVICES': '1'},
    ]
    assert environments(None, []) == [{}]


def cores():
    return len(os.sched_getaffinity(0))


def test_the_table_keeps_what_is_not_run_this_time(sweep):
    assert sweep('--seeds', 1) == 0
    assert sweep('--seeds', 7, '--rows', 'w6') == 0
    text = Path('runs/sweep.md').read_text()
    assert '| 2 | 27.00 ± 2.12 |' in line_of(text, 'w6')
    assert '| 1 | 24.50 |' in line_of(text, 'as it is')


def test_rows_that_stand_on_their_own_and_gains(sweep, tmp_path):
    rows = [{'config': str(TINY)}, {'config': 'wide.yaml', 'label': 'Wide'}]
    own = {'bases': {}, 'rows': rows, 'score': 'gain', 'seeds': [0]}
    assert sweep(**own) == 0
    text = Path('runs/sweep.md').read_text()
    assert '| +9.00 |' in line_of(text, 'tiny') and '| +11.00 |' in line_of(text, 'Wide')
    assert 'published' not in text.lower()
    # One training has no deviation.
    assert 'of the seed 0;' in text and '±' not in text and 'deviation' not in text
    assert sweep('--base', 'tiny', **own) == 2


def test_a_metric_of_ones_own(sweep, tmp_path):
    tool = tmp_path / 'tools/test.py'
    value = "{'edge_error': 0.25 + config['randomness']['seed']}"
    ends = TEST_ENDS.replace("'aio'} | scores", f"'aio'}} | scores | {value}")
    assert ends != TEST_ENDS
    tool.write_text(TRAIN + ends)
    assert sweep() == 0
    text = Path('runs/sweep.md').read_text()
    assert '| PSNR | SSIM | edge_error | minutes |' in text
    assert '| 0.6000 ± 0.0000 | 1.2500 ± 1.0000 |' in line_of(text, 'as it is')
    with open('runs/sweep.csv', newline='') as file:
        assert [float(row['edge_error']) for row in csv.DictReader(file)][:3] == [0.25] * 3
    widths = {line.count('|') for line in text.splitlines() if line.startswith('|')}
    assert len(widths) == 2, 'each of the two tables is as wide in all lines'


def test_the_base_may_be_another(sweep, tmp_path):
    (tmp_path / 'short.yaml').write_text(f'_base_: {TINY}\ntrain_cfg: {{max_iters: 4}}\n')
    assert sweep('--base', 'short.yaml', '--seeds', 0, '--rows', 'wide') == 0
    config = yaml.safe_load(Path('runs/wide_seed0/row.yaml').read_text())
    assert config['train_cfg']['max_iters'] == 4 and config['model']['network']['width'] == 8
    assert config['randomness']['seed'] == 0


def test_a_row_may_bring_a_plug_in(sweep, tmp_path):
    (tmp_path / 'rows').mkdir()
    (tmp_path / 'rows/gain.py').write_text(
        'from torch import nn\nfrom irbox.registry import LOSSES\n\n'
        '@LOSSES.register_module()\nclass SweptLoss(nn.Module):\n    pass\n'
    )
    (tmp_path / 'rows/mine.yaml').write_text(
        f'_base_: {TINY}\nplugins: [{TINY.with_name("tiny_parts.py")}, gain.py]\n'
        'model: {losses: {extra: {type: SweptLoss}}}\n'
    )
    assert sweep(rows=[{'config': 'rows/mine.yaml'}], seeds=[0]) == 0
    config = yaml.safe_load(Path('runs/mine_seed0/row.yaml').read_text())
    assert config['plugins'][1] == str(tmp_path / 'rows/gain.py')


def test_a_dry_run_shows_what_differs_and_writes_nothing(sweep, capsys):
    assert sweep('--dry-run', '--seeds', 3) == 0
    out = capsys.readouterr().out
    assert 'full: as it is (seed 3 new)\n    the base itself' in out
    assert 'wide: wide (seed 3 new)\n    model.network.width: - -> 8' in out
    assert not Path('runs').exists()


def test_keeps_what_stands_around_the_table(sweep, capsys):
    out = Path('table.md')
    assert sweep('--seeds', 0, '--out', out) == 0
    out.write_text('# Mine\n\n' + out.read_text().split('\n', 2)[2] + 'What we learnt.\n')
    assert sweep('--seeds', 1, '--out', out) == 0
    text = out.read_text()
    assert text.startswith('# Mine\n') and text.endswith('What we learnt.\n')
    assert 'seeds 0, 1;' in text and text.count(BEGIN) == 1
    done = len(calls())
    out.write_text('mine')
    assert sweep('--seeds', 2, '--out', out) == 2
    assert 'table.md has no lines' in capsys.readouterr().err and len(calls()) == done


def test_without_matplotlib_it_says_so(sweep, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    assert sweep('--seeds', 0, '--rows', 'full') == 0
    assert 'No plot: The plot of a sweep needs matplotlib' in capsys.readouterr().out
    assert Path('runs/sweep.md').is_file() and not Path('runs/sweep.png').exists()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'rows': []}, 'it needs `rows`'),
        ({'titel': 'x'}, "unknown key 'titel'. Did you mean 'title'"),
        ({'rows': [{'nmae': 'a'}]}, "rows.0.nmae: unknown key 'nmae'. Did you mean 'name'"),
        ({'rows': [{'config': 'none.yaml'}]}, 'rows.0.config: none.yaml does not exist'),
        ({'rows': [{'name': 'a'}, {'name': 'a'}]}, "two rows are called 'a'"),
        ({'rows': [{'name': 'a/b'}]}, "rows.0.name: 'a/b' must be letters"),
        ({'rows': [{'name': 'a'}], 'bases': {}}, 'without `bases` a row needs `config`'),
        ({'rows': [{'name': 'a', 'published': {'psnr': 'x'}}]}, "published.psnr: 'x' must be"),
        ({'rows': [{'name': 'a', 'options': {'model.network.widht': 3}}]}, "Did you mean 'width'"),
        ({'bases': {'a': 'none.yaml'}}, 'bases.a: none.yaml does not exist'),
        ({'seeds': [0, 0]}, 'seeds: [0, 0] must be whole numbers from 0, each once'),
        ({'score': 'psrn'}, "score: 'psrn' is unknown. Did you mean 'psnr'"),
        ({'notes': {'tinny': 'x'}}, "notes.tinny: unknown key 'tinny'. Did you mean 'tiny'"),
    ],
)
def test_mistakes_are_told_before_anything_runs(changes, message, sweep, capsys):
    assert sweep(**changes) == 2
    assert message in capsys.readouterr().err
    assert not Path('runs').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--rows', 'ful'], "no row is called so. Did you mean 'full'"),
        (['--base', 'tinny'], "Did you mean 'tiny'"),
        (['--out', 'table.txt'], 'the name must end in .md'),
        (['--jobs', '0'], 'give a number of at least 1'),
        (['--size', '16'], 'write WIDTHxHEIGHT'),
        (['--seeds', '1', '1'], 'each once'),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, sweep, capsys):
    assert sweep(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path('runs').exists()


@pytest.mark.slow
def test_ended_from_outside_it_ends_its_runs(sweep, tmp_path):
    """And a run that is going on is not started a second time beside it."""
    slow = {'rows': [{'name': 'slow', 'options': {WIDTH: 99}}], 'seeds': [0, 1]}
    assert sweep('--dry-run', **slow) == 0  # writes the file
    script = tmp_path / 'start.py'
    script.write_text(
        'import sys\nfrom pathlib import Path\nimport irbox.commands.sweep\n'
        'irbox.commands.sweep.TOOLS = Path("tools")\n'
        'sys.argv = ["sweep", "sweep.yaml", "--work-dir", "runs"]\n'
        'irbox.commands.run_as_tool("sweep")\n'
    )
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    pid = Path('runs/slow_seed0/pid')
    deadline = time.monotonic() + 120
    while not pid.exists() or not pid.read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    child = int(pid.read_text())
    assert sweep('--seeds', 0, **slow) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not Path('runs/slow_seed1/pid').exists()


def test_what_differs():
    one = {'a': {'type': 'A', 'x': 1, 'y': [1]}, 'b': 2, 'c': {'d': None}}
    other = {'a': {'type': 'B', 'z': 1}, 'b': 2, 'c': {'d': 3, 'e': True}}
    assert differences(one, other) == [
        'a: A(x: 1, y: [1]) -> B(z: 1)',
        'c.d: null -> 3',
        'c.e: - -> True',
    ]
    assert differences(one, one) == []


@pytest.mark.parametrize('name', ['side_by_side', 'small_scale'])
def test_the_demos_side_by_side_are_as_wide_and_deep_as_each_other(name):
    from irbox.sweeps import resolve

    rows = read_sweep(ROOT / f'configs/cross/{name}.yaml').rows
    configs = [resolve(row, None, {}) for row in rows]
    sizes = [{k: c.model.network[k] for k in ('dim', 'depths', 'refinement')} for c in configs]
    recipes = [(c.train_cfg, c.optim_wrapper, c.train_dataloader) for c in configs]
    assert all(size == sizes[0] for size in sizes) and all(r == recipes[0] for r in recipes)


@pytest.mark.slow
def test_with_the_real_tools(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('wide.yaml').write_text(f'_base_: {TINY}\nmodel: {{network: {{width: 8}}}}\n')
    Path('sweep.yaml').write_text(yaml.safe_dump(SWEEP))

    def sweep(*arguments):
        options = ['sweep.yaml', '--work-dir', 'runs', '--size', '16x16', *map(str, arguments)]
        return runpy.run_path(str(TOOL))['main'](options)

    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    short = ['--cfg-options', 'train_cfg.max_iters=4']
    assert sweep('--seeds', 0, '--rows', 'wide', *short) == 0
    text = Path('runs/sweep.md').read_text()
    assert '| 1 |' in line_of(text, 'wide') and '4 iterations' in text
    assert Path('runs/wide_seed0/final.pth').is_file()


def test_networks_of_many_papers_are_trained_alike():
    from irbox.sweeps import resolve

    rows = read_sweep(ROOT / 'configs/cross/ten_networks.yaml').rows
    configs = [resolve(row, None, {}) for row in rows]
    parts = ('train_cfg', 'optim_wrapper', 'param_scheduler', 'train_dataloader', 'val_dataloader')
    for part in (*parts, 'val_evaluator'):
        different = [
            row.name for row, c in zip(rows, configs, strict=True) if c[part] != configs[0][part]
        ]
        assert not different, f'{part} of {different}'
    assert len({config.model.network.type for config in configs}) >= 9
