import pytest

from irbox.commands.main import main
from support.paths import ROOT

CONFIG = ROOT / 'configs/m2restore_allweather.py'
SMALL = ['model.network.depths=[1,1,1,1]', 'model.network.dim=16', 'model.network.refinement=0']


def test_tables_of_a_config(capsys):
    main(['scale', str(CONFIG), '--pairs', '1000', '--cfg-options', *SMALL])
    said = capsys.readouterr().out
    rows = [line.strip('| ').split(' | ') for line in said.splitlines() if line.startswith('| ')]
    gpus = [row for row in rows if len(row) == 11][2:]
    assert [row[0] for row in gpus] == ['1', '2', '4', '8', '16', '32', '64']
    # Batches of 2, accumulated 4 times; from 8 GPUs on it grows.
    assert [row[2] for row in gpus] == ['8', '8', '8', '8', '16', '32', '64']
    assert '0.20 M crops in all' in said
    assert len([row for row in rows if len(row) == 7]) == 6


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([CONFIG, '--rate', '0'], '--rate 0.0 must be a number above 0'),
        ([CONFIG, '--rate', 'inf'], '--rate inf must be a number above 0'),
        ([CONFIG, '--speed', '-1'], '--speed -1.0 must be a number above 0'),
        ([CONFIG.with_name('m2restore_demo.py')], 'counts iterations'),
        ([CONFIG, '--cfg-options', 'train_dataloader.dataset.patch_size=null'], 'no patch_size'),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        main(['scale', *map(str, options), '--pairs', '1000'])
