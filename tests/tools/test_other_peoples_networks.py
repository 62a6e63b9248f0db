"""Other people's networks, scored by tools/test.py and side by side in a sweep."""

import json
import re
import runpy

import pytest
import torch
import yaml

from irbox.config.command_line import run_tool
from irbox.sweeps import Campaign, read_sweep
from support.paths import ROOT
from support.peers import TINY
from support.published_files import small_file
from support.zoo import write_small

CONFIG = ROOT / 'tests/support/tiny.yaml'


def run(tool, *arguments):
    main = runpy.run_path(str(ROOT / f'tools/{tool}.py'))['main']
    try:
        run_tool(lambda: main([str(argument) for argument in arguments]))
    except SystemExit as leaving:
        return leaving.code
    return 0


def write(path, network, **more):
    """A config on the small test sets."""
    model = {'network': {'_delete_': True, **network}}
    path.write_text(yaml.safe_dump({'_base_': str(CONFIG), 'model': model, **more}))
    return path


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_small('NAFNet', tmp_path / 'nafnet.pth')
    write_small('DRUNet', tmp_path / 'drunet.pth', None)
    torch.save(small_file('PromptIR'), tmp_path / 'model.ckpt')
    write(tmp_path / 'zoo.yaml', {'type': 'SpandrelNetwork', 'checkpoint': 'nafnet.pth'})
    own = yaml.safe_load((ROOT / 'configs/_base_/models/unet.yaml').read_text())
    sizes = {'prompt_dims': [12, 8, 4], 'prompt_sizes': [2, 4, 6]}
    network = own['model']['network'] | TINY | sizes | {'type': 'PromptIR'}
    plugins = [str(ROOT / 'plugins/promptir.py')]
    config = yaml.safe_load(CONFIG.read_text())
    plugins += [str(CONFIG.parent / one) for one in config['plugins']]
    write(tmp_path / 'promptir.yaml', network, plugins=plugins)
    return tmp_path


def rows(folder):
    return json.loads((folder / 'results.json').read_text())


def test_a_network_of_spandrel_under_two_protocols(files, capsys):
    assert run('test', 'zoo.yaml', '--protocol', 'aio', 'y601') == 0
    found = rows(files / 'work_dirs/zoo')
    assert {row['protocol'] for row in found} == {'aio', 'y601'}
    assert all(row['psnr'] is not None for row in found)
    table = json.loads((files / 'work_dirs/zoo/table.json').read_text())
    assert 'nafnet.pth' in json.dumps(table)
    capsys.readouterr()
    assert run('test', 'zoo.yaml', 'model.ckpt') == 2
    assert 'nafnet.pth itself: leave model.ckpt out' in capsys.readouterr().err
    assert run('test', CONFIG) == 2
    assert 'CHECKPOINT is missing' in capsys.readouterr().err


def test_a_published_file_as_it_is(files, capsys):
    assert run('test', 'promptir.yaml', 'model.ckpt') == 0
    found = rows(files / 'work_dirs/promptir')
    assert run('convert_checkpoint', 'published', 'promptir.yaml', 'model.ckpt', 'own.pth') == 0
    assert run('test', 'promptir.yaml', 'own.pth', '--work-dir', 'again') == 0
    assert rows(files / 'again') == found
    capsys.readouterr()
    assert run('test', CONFIG, 'model.ckpt') == 2
    assert 'weights of PromptIR that the network needs' in capsys.readouterr().err


def sweep(files, **changes):
    option = {'model.network.checkpoint': 'drunet.pth'}
    content = {
        'title': 'Others',
        'rows': [
            {'config': 'promptir.yaml', 'checkpoint': 'model.ckpt'},
            {'config': 'zoo.yaml', 'name': 'nafnet'},
            {'config': 'zoo.yaml', 'name': 'drunet', 'options': option},
        ],
        **changes,
    }
    (files / 'others.yaml').write_text(yaml.safe_dump(content))
    return read_sweep(files / 'others.yaml')


def test_a_row_with_weights_is_tested_once_and_not_trained(files):
    found = sweep(files)
    campaign = Campaign(found, '', None, found.rows, (0, 1), {}, files / 'runs', (64, 64))
    assert [(one.row, one.seed, one.weights) for one in campaign.runs] == [
        ('promptir', 0, (str(files / 'model.ckpt'),)),
        ('nafnet', 0, ()),
        ('drunet', 0, ()),
    ]
    first = campaign.runs[0]
    first.folder.mkdir(parents=True)
    first.config_file.write_text(first.config)
    (first.folder / 'results.json').write_text('[]')
    assert first.state() == 'finished'
    # Other weights are another run.
    other = sweep(files, rows=[{'config': 'promptir.yaml', 'checkpoint': 'other.ckpt'}])
    again = Campaign(other, '', None, other.rows, (0,), {}, files / 'runs', (64, 64)).runs[0]
    assert again.state() == 'other' and 'other.ckpt' in ' '.join(again.changes())


@pytest.mark.slow
def test_a_table_of_several_is_one_command(files, capsys):
    sweep(files)
    assert run('sweep', 'others.yaml', '--work-dir', 'runs', '--size', '64x64') == 0
    table = (files / 'runs/others.md').read_text()
    assert 'with weights that were there already' in table
    for name in ('promptir', 'nafnet', 'drunet'):
        costs, scores = (one for one in table.splitlines() if one.startswith(f'| {name} |'))
        assert re.search(r'\| [\d,]+ \| [\d.]+ / [\d.]+ \| 1 \|', costs), costs
        assert '–' not in scores
    assert not list((files / 'runs').rglob('final.pth'))
