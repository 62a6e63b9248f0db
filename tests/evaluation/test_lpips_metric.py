import sys

import pytest
import torch
from torchvision.models import alexnet

from irbox.evaluation import LPIPSMetric
from irbox.evaluation.image_operations import through_jpeg, to_bytes
from irbox.registry import METRICS
from irbox.testing import check_metric
from support.metric_packages import lpips_module, samples


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'alexnet.pth'
    features = alexnet(weights=None).features.state_dict()
    torch.save({f'features.{name}': value for name, value in features.items()}, path)
    return path


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lpips', lpips_module())


def test_mean_per_degradation_with_the_weights_of_the_file(package, weights):
    metric = METRICS.build({'type': 'LPIPSMetric', 'weights': str(weights)})
    given = samples()
    metric.process({}, given[:1])
    metric.process({}, given[1:])
    results = metric.evaluate(size=4)
    assert list(results) == ['haze/lpips', 'rain/lpips']

    network = alexnet(weights=None).eval()
    network.load_state_dict(torch.load(weights), strict=False)
    with torch.no_grad():
        distances = [
            (
                network.features[:2](2 * s['restored'] - 1)
                - network.features[:2](2 * s['target'] - 1)
            )
            .abs()
            .mean()
            .item()
            for s in given
        ]
    assert results['haze/lpips'] == pytest.approx(sum(distances[:3]) / 3, rel=1e-5)
    assert results['rain/lpips'] == pytest.approx(distances[3], rel=1e-5)
    assert metric.input_multiple == 1
    for own, published in (('slice1.0', 0), ('slice3.6', 6), ('slice5.10', 10)):
        layer = metric.network.net.get_submodule(own)
        assert torch.equal(layer.weight, network.features[published].weight)


@pytest.mark.parametrize('jpeg_quality', [None, 80])
def test_keeps_the_promises_of_a_metric(package, weights, jpeg_quality):
    check_metric(LPIPSMetric, weights=str(weights), jpeg_quality=jpeg_quality)


def test_of_jpeg_files(package, weights):
    given = samples(1)
    metric = LPIPSMetric(str(weights), jpeg_quality=50)
    metric.process({}, given)
    again = through_jpeg(to_bytes(given[0]['restored'][None]), 50)[0].float() / 255
    other = LPIPSMetric(str(weights))
    other.process({}, [given[0] | {'restored': again}])
    expected = other.evaluate(size=1)['haze/lpips']
    assert metric.evaluate(size=1)['haze/lpips'] == pytest.approx(expected, rel=1e-5)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lpips', None)
    with pytest.raises(ImportError, match='LPIPSMetric needs lpips.*with: pip install lpips$'):
        LPIPSMetric()


def test_without_the_weights(package, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(FileNotFoundError, match='alexnet-owt-7be5be79.pth is not in .*torchvision'):
        LPIPSMetric()
    with pytest.raises(FileNotFoundError, match='weights=none.pth does not exist.*nothing is down'):
        LPIPSMetric('none.pth')


def test_weights_are_found_where_torch_hub_keeps_them(package, tmp_path, monkeypatch, weights):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    folder = tmp_path / 'hub' / 'checkpoints'
    folder.mkdir(parents=True)
    (folder / 'alexnet-owt-7be5be79.pth').write_bytes(weights.read_bytes())
    LPIPSMetric()


def test_other_weights(package, tmp_path):
    torch.save({'features.0.weight': torch.zeros(64, 3, 3, 3)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other.pth does not hold AlexNet: .*features.0.weight'):
        LPIPSMetric(str(tmp_path / 'other.pth'))
    (tmp_path / 'broken.pth').write_bytes(b'no')
    with pytest.raises(ValueError, match='broken.pth is damaged'):
        LPIPSMetric(str(tmp_path / 'broken.pth'))
    torch.save({'features.0.weight': 1}, tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='no state dict'):
        LPIPSMetric(str(tmp_path / 'list.pth'))


def test_quality():
    with pytest.raises(ValueError, match='jpeg_quality=0 must be 1 to 100'):
        LPIPSMetric(jpeg_quality=0)
