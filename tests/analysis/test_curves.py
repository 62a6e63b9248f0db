"""Logs of runs, read and drawn over each other."""

import json

import pytest

from irbox.analysis.curves import analyze, choose_keys, logs_of, read_run, smoothed
from irbox.analysis.output import Output
from irbox.commands.main import tool


def log(folder, start, lines):
    path = folder / start / 'vis_data'
    path.mkdir(parents=True)
    (path / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)) + '\n{"cut sho')


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / 'run'
    log(
        folder,
        '20260101_000000',
        [{'loss': 3.0 - step, 'lr': 0.1, 'iter': step, 'step': step} for step in (1, 2, 3)],
    )
    log(
        folder,
        '20260102_000000',
        [{'loss': 0.5, 'step': 3, 'iter': 3}, {'mean/psnr': 20.0, 'step': 4, 'name': 'x'}],
    )
    return folder


def test_a_later_start_counts(run):
    found = read_run(run)
    assert found['loss'] == {1: 2.0, 2: 1.0, 3: 0.5}
    assert found['lr'] == {1: 0.1, 2: 0.1}
    assert found['mean/psnr'] == {4: 20.0}
    assert 'name' not in found
    assert read_run(run / '20260101_000000')['loss'] == {1: 2.0, 2: 1.0, 3: 0.0}


def test_where_nothing_was_logged(tmp_path):
    with pytest.raises(FileNotFoundError, match='no work dir of a training'):
        read_run(tmp_path)


def test_what_is_drawn(run):
    runs = {'run': read_run(run)}
    assert choose_keys(runs, []) == ['loss', 'lr', 'mean/psnr']
    assert choose_keys(runs, ['l*']) == ['loss', 'lr']
    with pytest.raises(ValueError, match="no run logged 'los'. Did you mean 'loss'"):
        choose_keys(runs, ['los'])


def test_runs_that_logged_nothing_yet(tmp_path):
    log(tmp_path / 'run', '20260101_000000', [])
    with pytest.raises(ValueError, match='Nothing to draw: .* of run holds no values yet'):
        choose_keys({'run': read_run(tmp_path / 'run')}, [])


def test_smoothing_by_hand():
    assert smoothed([1.0, 2.0, 4.0], 0) == [1, 2, 4]
    found = smoothed([1.0, 2.0, 4.0], 0.5)
    # Weights 1; 1/2 and 1; 1/4, 1/2 and 1, over their sums.
    assert found == pytest.approx([1, (0.5 + 2) / 1.5, (0.25 + 1 + 4) / 1.75])


def test_the_command(run, tmp_path, capsys):
    pytest.importorskip('matplotlib')
    tool('curves')([str(run), '--out', str(tmp_path / 'out'), '--smooth', '0.5'])
    assert 'loss, lr, mean/psnr of 1 runs' in capsys.readouterr().out
    rows = (tmp_path / 'out/curves.csv').read_text().splitlines()
    assert rows[0] == 'run,key,step,value'
    assert rows[1:4] == ['run,loss,1,2.0', 'run,loss,2,1.0', 'run,loss,3,0.5']
    for kind in ('png', 'pdf', 'svg', 'json'):
        assert (tmp_path / f'out/curves.{kind}').exists()
    read = json.loads((tmp_path / 'out/provenance.json').read_text())['inputs']
    assert [one['path'] for one in read] == [str(path) for path in logs_of(run)]
    assert len({one['sha256'] for one in read}) == 2
    with pytest.raises(ValueError, match='--smooth 1.0'):
        tool('curves')([str(run), '--smooth', '1'])


def test_two_runs_of_one_name(run, tmp_path):
    pytest.importorskip('matplotlib')
    found = read_run(run)
    drawn = analyze({'a': found, 'b': found}, Output(tmp_path, 'curves', {}), ['loss'])
    assert drawn == ['loss']


def test_a_run_whose_name_begins_with_an_underscore(run, tmp_path, monkeypatch):
    pytest.importorskip('matplotlib')
    legends = []
    monkeypatch.setattr(Output, 'figure', lambda self, figure, name: legends.extend(figure.legends))
    analyze({'_a': read_run(run), 'b': read_run(run)}, Output(tmp_path, 'curves', {}), ['loss'])
    assert [text.get_text().strip() for text in legends[0].get_texts()] == ['_a', 'b']
