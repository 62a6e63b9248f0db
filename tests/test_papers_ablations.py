"""The tables of ablations as the papers print them, against the sweeps: marks, values, scores."""

import pytest

from irbox.sweeps import read_sweep, resolve
from support.paths import ROOT

ABLATIONS = ROOT / 'configs/ablations'


def read(table, base='paper'):
    """Each row's config and published scores, in order."""
    sweep = read_sweep(ABLATIONS / table)
    for row in sweep.rows:
        yield resolve(row, sweep.bases[base], {}).model, tuple(row.published.values())


def part(config, *keys):
    """What stands at a place, None where there is nothing."""
    for key in keys:
        config = config.get(key) if config else None
    return config


def kind(config, *keys):
    found = part(config, *keys)
    return found['type'] if found else None


# MST, DACP, DGEA special, DGEA shared, PSNR, SSIM.
TABLE_VII = [
    ('x', 'x', 'x', 'x', 38.43, 0.9823),
    ('v', 'x', 'x', 'x', 38.55, 0.9834),
    ('v', 'x', 'v', 'x', 38.67, 0.9832),
    ('v', 'x', 'v', 'v', 38.82, 0.9833),
    ('v', 'v', 'v', 'x', 38.73, 0.9837),
    ('x', 'v', 'v', 'v', 38.71, 0.9836),
    ('v', 'MLP', 'v', 'v', 38.55, 0.9825),
    ('v', 'v', 'v', 'v', 38.93, 0.9842),
]


def marks_of_m2ir(model):
    network = model.network
    adec = part(network, 'decoder', 'before_upsample')
    blocks = {kind(network, place, 'block') for place in ('encoder', 'bottleneck', 'decoder')}
    blocks |= {kind(adec, 'fuse')} - {None}
    (block,) = blocks
    assert bool(part(model, 'losses', 'balance')) == bool(adec)
    assert bool(network.get('prior')) or not part(model, 'losses', 'label')
    learns_names = bool(part(model, 'losses', 'label'))
    dacp = {None: 'x', 'MLPPrior': 'v' if learns_names else 'MLP', 'DACLIPPrior': 'v'}
    return (
        {'MSTBlock': 'v', 'TransformerBlock': 'x'}[block],
        dacp[kind(network, 'prior')],
        'v' if part(adec, 'expert') else 'x',
        'v' if part(adec, 'shared_expert') else 'x',
    )


@pytest.mark.parametrize('base', ['paper', 'embedded'])
def test_table_vii(base):
    found = [
        (*marks_of_m2ir(model), *scores) for model, scores in read('m2ir/table_vii.yaml', base)
    ]
    assert found == TABLE_VII


@pytest.mark.parametrize(('base', 'classes'), [('paper', 3), ('embedded', 5)])
def test_the_learned_prior_has_the_classes_of_the_prior_that_it_replaces(base, classes):
    models = [model for model, _ in read('m2ir/table_vii.yaml', base)]
    learned, whole = (model.network.prior for model in models[-2:])
    assert learned.num_degradations == classes
    assert classes == (len(whole.words) if base == 'paper' else whole.num_degradations)


# Charbonnier, balance, FFT, PSNR, SSIM.
TABLE_X = [
    ('x', 'x', 'x', 38.41, 0.9822),
    ('v', 'x', 'x', 38.56, 0.9834),
    ('v', 'x', 'v', 38.74, 0.9836),
    ('v', 'v', 'x', 38.81, 0.9839),
    ('v', 'v', 'v', 38.93, 0.9842),
]


@pytest.mark.parametrize('base', ['paper', 'embedded'])
def test_table_x(base):
    found = []
    for model, scores in read('m2ir/table_x.yaml', base):
        pixel = {'CharbonnierLoss': 'v', 'L1Loss': 'x'}[kind(model, 'losses', 'pixel')]
        others = ['v' if part(model, 'losses', name) else 'x' for name in ('balance', 'frequency')]
        found.append((pixel, *others, *scores))
    assert found == TABLE_X


BEFORE_UPSAMPLE = ('network', 'decoder', 'before_upsample')
VALUES = {
    'viii': (
        (*BEFORE_UPSAMPLE, 'num_experts'),
        (2, 4, 8, 16, 32),
        (38.84, 38.93, 38.81, 38.76, 38.62),
        (0.9834, 0.9842, 0.9838, 0.9836, 0.9834),
    ),
    'ix': (
        (*BEFORE_UPSAMPLE, 'top_k'),
        (1, 2, 3, 4),
        (38.83, 38.93, 38.86, 38.78),
        (0.9840, 0.9842, 0.9839, 0.9837),
    ),
    'xi': (
        ('losses', 'balance', 'weight'),
        (0.001, 0.005, 0.01, 0.05, 0.1),
        (38.89, 38.74, 38.93, 38.46, 38.60),
        (0.9841, 0.9838, 0.9842, 0.9823, 0.9830),
    ),
    'xii': (
        ('losses', 'frequency', 'weight'),
        (0.01, 0.05, 0.1, 0.5, 1),
        (38.63, 38.90, 38.93, 38.71, 38.72),
        (0.9835, 0.9841, 0.9842, 0.9837, 0.9830),
    ),
}


@pytest.mark.parametrize('base', ['paper', 'embedded'])
@pytest.mark.parametrize('table', VALUES)
def test_tables_of_values(table, base):
    keys, values, psnr, ssim = VALUES[table]
    rows = list(read(f'm2ir/table_{table}.yaml', base))
    assert tuple(part(model, *keys) for model, _ in rows) == values
    assert [scores for _, scores in rows] == list(zip(psnr, ssim, strict=True))


# DDER, DGF, MCDB, PSNR, SSIM.
TABLE_II = [
    ('v', 'x', 'v', 31.21, 0.9309),
    ('x', 'v', 'v', 31.13, 0.9304),
    ('v', 'x', 'x', 31.35, 0.9305),
    ('v', 'v', 'v', 31.65, 0.9362),
]


@pytest.mark.parametrize('base', ['paper', 'embedded'])
def test_table_ii_of_m2restore(base):
    found = []
    for model, scores in read('m2restore/table_ii.yaml', base):
        before = kind(model, 'network', 'encoder', 'before_level')
        block = part(model, 'network', 'bottleneck', 'block')
        assert bool(part(model, 'losses', 'balance')) == (before == 'DDER')
        found.append(
            (
                {'DDER': 'v', 'TransformerBlock': 'x'}[before],
                'v' if block.get('gate') == 'edge_aware' else 'x',
                {'MambaCNNBlock': 'v', 'TransformerBlock': 'x'}[block['type']],
                *scores,
            )
        )
    assert found == TABLE_II


@pytest.mark.parametrize('table', ['vii', 'viii', 'ix', 'x', 'xi', 'xii'])
def test_m2ir_is_ablated_on_rain_for_20_epochs(table):
    sweep = read_sweep(ABLATIONS / f'm2ir/table_{table}.yaml')
    assert next(iter(sweep.bases)) == 'paper'
    config = resolve(sweep.rows[0], sweep.bases['paper'], {})
    assert config.train_cfg.max_epochs == 20
    assert [name for name, loader in config.val_dataloader.items() if loader] == ['rain']
