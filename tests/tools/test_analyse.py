"""The command from config and checkpoint to files; a mistake is one message."""

import hashlib
import json

import pytest
import torch
import yaml

from irbox.commands.main import command_parser, tool
from irbox.engine.checkpoint import write_checkpoint
from irbox.registry import MODELS
from support.small_model import small_config, small_model

DATA = {
    'val_dataloader': {
        'dataset': {
            'type': 'WholePhotographs',
            'photographs': ['chelsea'],
            'longest_side': 64,
            'draws': 2,
            'degradations': {
                'haze': {'type': 'Haze'},
                'noise': {'type': 'GaussianNoise', 'sigma': 25},
            },
        }
    }
}
PLACES = {
    'encoder': {
        'block': {'type': 'MSTBlock'},
        'before_level': {
            'type': 'DDER',
            'num_experts': 3,
            'router': {'type': 'NoisyTopKRouter'},
            'expert': {'type': 'MLPExpert', 'ratio': 1.0},
        },
    },
    'decoder': {
        'block': {'type': 'TransformerBlock'},
        'before_upsample': {'type': 'AdaptiveFrequencyBlock', 'heads': 1},
    },
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    torch.manual_seed(0)
    config = small_config(**PLACES) | DATA
    network = MODELS.build(config['model']['network'])
    label = {'type': 'DegradationLabelLoss', 'names': ['haze', 'rain', 'noise']}
    config['model']['losses'] = {'pixel': {'type': 'L1Loss'}, 'label': label}
    (folder / 'config.yaml').write_text(yaml.safe_dump(config))
    (folder / 'data.yaml').write_text(yaml.safe_dump(DATA))
    weights = {f'network.{key}': value for key, value in network.state_dict().items()}
    meta = {'cfg': yaml.safe_dump(config)}
    write_checkpoint({'state_dict': weights, 'meta': meta}, folder / 'final.pth')
    return folder


def provenance(folder):
    return json.loads((folder / 'provenance.json').read_text())


def read_file(path):
    """What the provenance says of a file that was read."""
    return {'path': str(path), 'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}


def check_written(folder, what, figures):
    """Figures in three formats with their fonts inside, numbers in two, and where all is from."""
    names = {path.name for path in folder.iterdir()}
    assert {f'{stem}.{kind}' for stem in figures for kind in ('png', 'pdf', 'svg')} <= names
    assert {f'{what}.csv', f'{what}.json'} <= names
    for path in folder.glob('*.pdf'):
        content = path.read_bytes()
        # Every font is described, and its file is there: TrueType, nothing that is only named.
        fonts = content.count(b'/Type /FontDescriptor')
        assert fonts == content.count(b'/FontFile2') > 0
        assert b'/Type3' not in content
    content = provenance(folder)
    assert content['analysis'] == what
    assert content['command']
    assert {'irbox', 'torch', 'numpy', 'matplotlib'} <= set(content['versions'])
    sources = content.get('inputs') or content['models']
    assert all(len(one.get('sha256') or one['weights_sha256']) == 64 for one in sources)
    assert set(content['files']) == names - {'provenance.json'}
    return content


def analyse(*arguments):
    pytest.importorskip('matplotlib')
    pytest.importorskip('sklearn')
    tool('analyse')([str(one) for one in arguments])


@pytest.mark.parametrize(
    ('what', 'options', 'written'),
    [
        (
            'gates',
            ['--sheets', 1],
            ['gates', 'gates_chelsea_haze_1', 'gates_chelsea_noise_1'],
        ),
        ('routing', ['--random-starts', 1], ['routing_clusters', 'routing_shares', 'routing_maps']),
        ('prior', [], ['prior']),
        ('frequency', ['--sides', 32], ['frequency', 'frequency_32']),
    ],
)
def test_an_analysis(folder, tmp_path, what, options, written):
    data = ['--data', folder / 'data.yaml', '--images', 2, '--crop', 32, '--out', tmp_path / what]
    analyse(what, folder / 'config.yaml', folder / 'final.pth', *data, *options)
    content = check_written(tmp_path / what, what, written)
    assert set(content['seeds']) >= {'data'}
    assert content['data']['images'] == [
        'chelsea_haze_1',
        'chelsea_haze_2',
        'chelsea_noise_1',
        'chelsea_noise_2',
    ]


def test_degradations_of_several_sets(folder, tmp_path):
    sets = {}
    for name, degradation in DATA['val_dataloader']['dataset']['degradations'].items():
        only = DATA['val_dataloader']['dataset'] | {'degradations': {name: degradation}}
        sets[name] = {'dataset': only}
    (tmp_path / 'sets.yaml').write_text(yaml.safe_dump({'val_dataloader': sets}))
    data = ['--data', tmp_path / 'sets.yaml', '--labels', 'noise', 'haze', '--images', 1]
    analyse('prior', folder / 'config.yaml', folder / 'final.pth', *data, '--out', tmp_path / 'out')
    images = provenance(tmp_path / 'out')['data']['images']
    assert images == ['chelsea_noise_1', 'chelsea_haze_1']


def test_two_networks_beside_each_other(folder, tmp_path, capsys):
    pair = [folder / 'config.yaml', folder / 'final.pth']
    options = ['--images', 2, '--crop', 32, '--random-starts', 1, '--out', tmp_path]
    analyse('features', *pair, '--beside', *pair, *options)
    rows = json.loads((tmp_path / 'features.json').read_text())
    assert len(rows) == 4
    assert len({row['network'] for row in rows}) == 2
    # The same network has the same features.
    assert rows[0]['silhouette'] == rows[2]['silhouette']
    assert 'bottleneck: silhouette' in capsys.readouterr().out
    content = check_written(tmp_path, 'features', ['features_pca', 'features_tsne'])
    assert content['seeds']['t-SNE'] == [0, 1]


def test_compare_by_a_checkpoint_alone(folder, tmp_path):
    pair = [folder / 'config.yaml', folder / 'final.pth']
    options = ['--labels', 'noise', '--name', 'one', '--box', '0,0,8,8', '--out', tmp_path]
    analyse('compare', *pair, '--method', f'two={folder / "final.pth"}', *options)
    rows = json.loads((tmp_path / 'compare.json').read_text())
    assert [row['method'] for row in rows] == ['degraded', 'one', 'two']
    assert rows[1]['psnr'] == rows[2]['psnr']
    check_written(tmp_path, 'compare', [f'compare_{rows[0]["image"]}'])
    assert (tmp_path / 'compare.html').exists()
    # A folder that is a model is none of images.
    small_model().save(tmp_path / 'saved')
    analyse('compare', *pair, '--method', f'saved={tmp_path / "saved"}', *options)
    rows = json.loads((tmp_path / 'compare.json').read_text())
    assert [row['method'] for row in rows] == ['degraded', 'one', 'saved']
    with pytest.raises(ValueError, match='the name is taken'):
        analyse('compare', *pair, '--method', 'one=x.pth', '--name', 'one')


def test_costs_that_are_only_counted(folder, tmp_path, capsys):
    options = ['--rounds', 0, '--size', '32x32', '--published', 'm2ir_13', '--out', tmp_path]
    analyse('cost', folder / 'config.yaml', *options)
    assert '| config | measured |' in capsys.readouterr().out
    rows = (tmp_path / 'cost.csv').read_text().splitlines()
    assert len(rows) == 1 + 1 + 11
    content = check_written(tmp_path, 'cost', ['cost'])
    assert content['inputs'] == [read_file(folder / 'config.yaml')]
    assert content['seeds'] == {'weights': 0}
    with pytest.raises(ValueError, match='--rounds -1: give a number of at least 0'):
        analyse('cost', folder / 'config.yaml', '--rounds', -1, '--out', tmp_path)


def test_tables_of_two_systems(tmp_path):
    for name, value in (('one', 20.0), ('two', 21.0)):
        (tmp_path / name).mkdir()
        scores = {task: {'psnr': value} for task in ('haze', 'rain', 'snow')}
        line = {'method': name, 'source': 'measured', 'scores': scores}
        content = {'scores': {'psnr': {'unit': 'dB'}}, 'lines': [line]}
        (tmp_path / name / 'table.json').write_text(json.dumps(content))
    analyse('summary', tmp_path / 'one', tmp_path / 'two', '--out', tmp_path / 'out')
    files = [tmp_path / name / 'table.json' for name in ('one', 'two')]
    content = check_written(tmp_path / 'out', 'summary', ['summary_bars', 'summary_radar'])
    assert content['inputs'] == [read_file(path) for path in files]


def test_so_many_images_as_the_paper_shows():
    parser = command_parser('analyse', 'irbox analyse')
    given = ['config.yaml', 'final.pth']
    images = {what: parser.parse_args([what, *given]).images for what in ('routing', 'gates')}
    assert images == {'routing': 50, 'gates': 6}


@pytest.mark.slow
def test_costs_that_are_measured(folder, tmp_path):
    analyse('cost', folder / 'config.yaml', '--rounds', 2, '--size', '32x32', '--out', tmp_path)
    (row,) = json.loads((tmp_path / 'cost.json').read_text())['measured']
    assert len(row['seconds']) == row['runs'] == 2
    assert min(row['seconds']) > 0
    assert row['process_MB'] > 50
    assert row['device_MB'] is None


def test_a_config_without_images(folder, tmp_path):
    config = tmp_path / 'bare.yaml'
    config.write_text(yaml.safe_dump(small_config(**PLACES)))
    with pytest.raises(ValueError, match='neither test nor validation images'):
        analyse('gates', config, folder / 'final.pth', '--out', tmp_path / 'out')
