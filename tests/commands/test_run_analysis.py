"""Methods of ``irbox analyse compare`` follow the protocol that their scores are named for."""

import pytest
import torch

from irbox.analysis.samples import Sample
from irbox.commands import run_analysis
from irbox.commands.main import tool
from irbox.models.restorer import Restorer
from irbox.restore.exported_network import ExportedNetwork
from support.small_model import small_config, small_model


@pytest.mark.parametrize(('protocol', 'tile'), [('m2restore_legacy', None), ('aio+tile16', 16)])
def test_models_restore_as_a_test_does(protocol, tile):
    model = small_model()
    # So bright that a part is clipped.
    image = 0.9 + 0.1 * torch.rand(3, 32, 48)
    tested = Restorer(small_config()['model']['network']).eval()
    tested.network = model.network
    with torch.no_grad():
        (wanted,) = tested(image[None], mode='predict', tile=tile)
    assert wanted['unclipped'].max() > 1
    found = run_analysis._restorer(model, protocol)(Sample('a', 'haze', image, image))
    assert torch.equal(found, wanted['unclipped'])


def test_exported_networks_have_no_tiles():
    model = small_model()
    model.network = ExportedNetwork.__new__(ExportedNetwork)
    with pytest.raises(ValueError, match=r'--protocol aio\+tile16: .* a test, an exported network'):
        run_analysis._restorer(model, 'aio+tile16')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--name', 'degraded'], "The first method is called 'degraded': the name is taken"),
        (['--name', 'ground truth'], "called 'ground truth': the name is taken"),
        (['--method', 'theirs=.', '--protocol', 'm2restore_legacy'], 'which files do not hold'),
        (['--protocol', 'aoi'], "No protocol is called 'aoi'. Did you mean 'aio'"),
    ],
)
def test_what_compare_refuses(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_analysis, '_model', lambda *args: small_model())
    with pytest.raises(ValueError, match=message):
        tool('analyse')(['compare', 'config.yaml', 'final.pth', *options])
