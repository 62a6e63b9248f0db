"""Each system as a file: small, with every part of it."""

import pytest

from irbox.config.load_config import load_config
from irbox.engine.network import build_network
from irbox.export.export_model import export_model
from irbox.graphs.agreement import LIMIT
from irbox.restore.model_card import ModelCard
from irbox.restore.restoration_model import RestorationModel
from support.paths import ROOT

for package in ('onnx', 'onnxruntime', 'onnxscript'):
    pytest.importorskip(package)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SHALLOW = {'depths': [1, 1], 'heads': [1, 2], 'dim': 8, 'refinement': 1}
DEEP = {'depths': [1, 1, 1, 1], 'heads': [1, 1, 2, 2], 'dim': 8, 'refinement': 1}
# Of the second size frequency blocks split bands.
SIZES = [(41, 30), (516, 514), (64, 64)]
SYSTEMS = {
    'small': ('_base_/models/small.yaml', SHALLOW),
    'm2restore': ('_base_/models/m2restore_demo.yaml', SHALLOW),
    'm2restore_official': ('_base_/models/m2restore_official.yaml', SHALLOW),
    'm2ir': ('_base_/models/m2ir_demo.yaml', SHALLOW),
    'm2ir_timm': ('_base_/models/m2ir_timm_demo.yaml', SHALLOW),
    'promptir': ('plugins/promptir.yaml', DEEP | {'prompt_dims': [8, 8, 8]}),
    'adair': ('plugins/adair.yaml', SHALLOW),
    'restormer_bias_free': ('_base_/models/restormer_bias_free.yaml', SHALLOW),
}
PRIOR = {'type': 'MLPPrior', 'num_degradations': 3, 'feature_dim': 16}


def system(name):
    """A small network of a system, and whether what its prior says is an input."""
    file, options = SYSTEMS[name]
    changes = {f'model.network.{key}': value for key, value in options.items()}
    config = load_config(ROOT / 'configs' / file, changes, sections=['model']).to_dict()
    network = config['model']['network']
    told = (network.get('prior') or {}).get('type') == 'DACLIPPrior'
    if told:
        # As with DA-CLIP, whose weights are a file of their own: what it says is an input.
        network['prior'] = PRIOR
    built = build_network(config).requires_grad_(False)
    for key, weight in built.named_parameters():
        if key.endswith('.alpha'):
            # Frequency blocks start as what leaves everything as it is.
            weight.fill_(0.5)
    model = RestorationModel(
        built, config, ModelCard(name=name), source='a test', device='cpu', precision='fp32'
    )
    return model, 'input' if told else 'auto'


@pytest.mark.parametrize('name', SYSTEMS)
def test_a_system_is_the_same_in_other_programs(name, tmp_path):
    model, prior = system(name)
    path = tmp_path / f'{name}.onnx'
    # A backbone of timm takes no side below 33.
    sizes = SIZES[1:] if name == 'm2ir_timm' else SIZES
    compared = export_model(model, path, prior=prior, sizes=sizes)
    assert path.is_file() and len(compared) >= 2 * len(sizes)
    assert max(one.difference for one in compared) <= LIMIT


@pytest.mark.parametrize('name', ['m2restore', 'm2ir'])
def test_a_system_is_the_same_in_a_file_of_torch(name, tmp_path):
    """With the selective scan, and with experts alone."""
    model, prior = system(name)
    path = tmp_path / f'{name}.pt2'
    compared = export_model(model, path, prior=prior, sizes=[(41, 30), (130, 97)])
    assert path.is_file() and {one.engine for one in compared} == {'torch.export'}
    assert max(one.difference for one in compared) <= LIMIT
