import math
import sys

import pytest
import torch

from irbox.evaluation import FIDMetric, frechet_distance
from irbox.registry import METRICS
from irbox.testing import check_metric
from support.metric_packages import samples, torch_fidelity_module


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    layer = torch.nn.ModuleDict({'layer': torch.nn.Linear(3, 5)})
    torch.save(layer.state_dict(), tmp_path / 'inception.pth')
    return tmp_path / 'inception.pth'


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch_fidelity', torch_fidelity_module())


def test_distance_per_degradation_and_the_number_of_images(package, weights):
    metric = METRICS.build({'type': 'FIDMetric', 'weights': str(weights)})
    given = samples()
    metric.process({}, given[:2])
    metric.process({}, given[2:])
    results = metric.evaluate(size=4)
    assert list(results) == ['haze/fid', 'haze/fid_images', 'rain/fid', 'rain/fid_images']
    assert (results['haze/fid_images'], results['rain/fid_images']) == (3, 1)
    assert math.isnan(results['rain/fid'])  # one image has no variance

    layer = metric.network.layer
    assert torch.equal(layer.weight, torch.load(weights)['layer.weight'])
    with torch.no_grad():
        sets = [
            torch.stack([layer((s[key] * 255).round().mean((1, 2)) / 255) for s in given[:3]])
            for key in ('restored', 'target')
        ]
    assert results['haze/fid'] == pytest.approx(frechet_distance(*sets), rel=1e-3, abs=1e-7)
    assert metric.input_multiple == 1


def test_keeps_the_promises_of_a_metric(package, weights):
    check_metric(FIDMetric, weights=str(weights))


def test_jpeg_changes_what_is_measured(package, weights):
    found = []
    for quality in (None, 10):
        metric = FIDMetric(str(weights), jpeg_quality=quality)
        metric.process({}, samples(3))
        found.append(metric.evaluate(size=3)['haze/fid'])
    assert found[0] != found[1]


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch_fidelity', None)
    message = 'FIDMetric needs torch_fidelity.*with: pip install torch-fidelity$'
    with pytest.raises(ImportError, match=message):
        FIDMetric()


def test_without_the_weights(package, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(FileNotFoundError, match='weights-inception-2015-12-05-6726825d.pth is not'):
        FIDMetric()
    with pytest.raises(FileNotFoundError, match='weights=none.pth does not exist'):
        FIDMetric('none.pth')


def test_other_weights(package, tmp_path):
    torch.save(torch.nn.Linear(2, 5).state_dict(), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='other.pth does not hold the weights of weights-inc'):
        FIDMetric(str(tmp_path / 'other.pth'))


def test_weights_that_would_run_code(package, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / 'was_here'), 'w')

    torch.save({'weight': Evil()}, tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match=r'FIDMetric: .*evil\.pth is refused'):
        FIDMetric(str(tmp_path / 'evil.pth'))
    assert not (tmp_path / 'was_here').exists()
