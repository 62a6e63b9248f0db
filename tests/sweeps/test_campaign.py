"""Runs of rows and seeds, on stand-ins for what they wrote."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from irbox.sweeps.campaign import Campaign
from irbox.sweeps.cost import Cost, count_cost
from irbox.sweeps.read_sweep import read_sweep
from irbox.sweeps.sweep import resolve
from support.paths import TINY
from support.small_model import small_config


@pytest.fixture
def campaign(tmp_path):
    (tmp_path / 'sweep.yaml').write_text(
        f'title: Widths\nbases: {{demo: {TINY}}}\nseeds: [0]\n'
        'rows:\n'
        '  - {name: narrow, label: Narrow, options: {train_cfg.max_iters: 10}}\n'
        '  - {name: base, label: As it is}\n'
    )
    sweep = read_sweep(tmp_path / 'sweep.yaml')
    name, base = sweep.find_base(None)

    def make(rows=(0, 1), seeds=(0, 5)):
        chosen = [sweep.rows[index] for index in rows]
        return Campaign(sweep, name, base, chosen, seeds, {}, tmp_path / 'work', (64, 48))

    return make


def test_a_listed_base_is_found_by_its_file(tmp_path, monkeypatch):
    """However its path is spelt: rows' options for it go with it."""
    (tmp_path / 'base.yaml').write_text(f'_base_: {TINY}\n')
    (tmp_path / 'own.yaml').write_text(f'_base_: {TINY}\n')
    (tmp_path / 'sweep.yaml').write_text(
        f'bases: {{demo: {TINY}, small: base.yaml}}\nseeds: [0]\n'
        'rows: [{name: one, options_on: {small: {train_cfg.max_iters: 3}}}]\n'
    )
    sweep = read_sweep(tmp_path / 'sweep.yaml')
    monkeypatch.chdir(tmp_path)
    by_name = sweep.find_base('small')
    for spelling in (
        'base.yaml',
        '../' + tmp_path.name + '/base.yaml',
        str(tmp_path / 'base.yaml'),
    ):
        assert sweep.find_base(str(spelling)) == by_name
    assert resolve(sweep.rows[0], by_name[1], {}).train_cfg.max_iters == 3
    assert sweep.find_base('own.yaml') == ('own', Path('own.yaml'))


def finish(run, psnr, seconds=None):
    run.folder.mkdir(parents=True)
    run.config_file.write_text(run.config)
    entry = {'task': 'mean', 'protocol': 'aio', 'psnr': psnr, 'ssim': 0.5, 'input_ssim': 0.25}
    content = [entry | {'input_psnr': None if psnr is None else 20.0}]
    (run.folder / 'results.json').write_text(json.dumps(content))
    if seconds is not None:
        (run.folder / 'seconds.json').write_text(str(seconds))


def test_one_seed_of_every_row_first_and_its_seed_in_its_config(campaign):
    made = campaign()
    assert [(run.row, run.seed) for run in made.runs] == [
        ('narrow', 0),
        ('base', 0),
        ('narrow', 5),
        ('base', 5),
    ]
    assert [f'seed: {run.seed}' in run.config for run in made.runs] == [True] * 4
    assert len({run.folder for run in made.runs}) == 4
    chosen = campaign(rows=[1], seeds=[5, 5])
    assert chosen.seeds == [0, 5] and {run.row for run in chosen.runs} == {'base'}


def test_a_preview_says_what_changes_and_how_far_runs_are(campaign):
    made = campaign()
    finish(made.runs[0], 21.0)
    lines = made.preview()
    assert lines[1] == 'narrow: Narrow (seed 0 finished, 5 new)'
    assert any('max_iters' in line and '10' in line for line in lines[2:])
    assert lines[-2:] == ['base: As it is (seed 0 new, 5 new)', '    the base itself']


@pytest.mark.parametrize(
    ('psnr', 'seconds', 'said'),
    [
        (21.5, 3.4, 'mean PSNR 21.50 dB (+1.50), SSIM 0.5000, trained in 3 s'),
        (19.0, None, 'mean PSNR 19.00 dB (-1.00), SSIM 0.5000'),
        (None, 3.4, 'finished, trained in 3 s'),
    ],
)
def test_what_a_run_found_in_one_line(campaign, psnr, seconds, said):
    made = campaign()
    finish(made.runs[0], psnr, seconds)
    assert made.summary(made.runs[0]) == said


def test_a_run_of_several_protocols_and_one_without_any_are_told_of(campaign):
    made = campaign()
    for run, protocols in zip(made.runs, (('aio', 'y601'), ()), strict=False):
        finish(run, 21.5)
        (only,) = run.results()
        rows = [only | {'protocol': name, 'psnr': 21.5 + 3 * n} for n, name in enumerate(protocols)]
        (run.folder / 'results.json').write_text(json.dumps(rows))
    assert made.summary(made.runs[0]) == 'mean PSNR 21.50 dB (+1.50), SSIM 0.5000'
    assert made.summary(made.runs[1]) == 'finished'


def test_the_table_has_every_row_as_far_as_it_is_finished(campaign, tmp_path, monkeypatch):
    costs = iter([Cost(1_000_000, 10**9, 5 * 10**8), ValueError('cannot be built')])

    def cost(config, width, height):
        assert (width, height) == (64, 48)
        one = next(costs)
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr('irbox.sweeps.campaign.count_cost', cost)
    made = campaign(rows=[1])
    assert made.draw(tmp_path / 'table.md') == 'no run has finished.'
    finish(made.runs[0], 21.5)
    made.write(tmp_path / 'table.md')
    text = (tmp_path / 'table.md').read_text()
    assert 'Narrow' in text and '21.50' in text and (tmp_path / 'table.csv').is_file()


def test_what_a_network_costs_without_its_prior():

    plain = count_cost(Config(small_config()), 32, 16)
    prior = {'type': 'MLPPrior', 'num_degradations': 3, 'feature_dim': 8, 'width': 16}
    assert count_cost(Config(small_config(prior=prior)), 32, 16) == plain
    double = count_cost(Config(small_config()), 64, 16)
    assert double.parameters == plain.parameters and double.dense > 1.9 * plain.dense
    # Two of three experts: a third of their products is saved.
    assert plain.selected < plain.dense
