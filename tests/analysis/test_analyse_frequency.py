"""Energies of bands against sums, and where the published mask leaves the low one empty."""

import pytest
import torch

from irbox.analysis.frequency import analyze, band_energies, record_bands, resized
from irbox.analysis.output import Output
from irbox.analysis.samples import Sample
from irbox.registry import MODELS
from irbox.structures import Bands


def network(mask):
    block = {'block': {'type': 'TransformerBlock'}}
    frequency = {'type': 'AdaptiveFrequencyBlock', 'heads': 1, 'mask': mask}
    torch.manual_seed(0)
    return MODELS.build(
        {
            'type': 'RestorationUNet',
            'dim': 4,
            'depths': [1, 1],
            'heads': [1, 1],
            'refinement': 0,
            'encoder': block,
            'bottleneck': block,
            'decoder': {**block, 'before_upsample': frequency},
        }
    ).eval()


def test_energies_by_hand():
    low, high = torch.rand(1, 2, 3, 4), torch.rand(1, 2, 3, 4)
    found = band_energies(Bands(low, high))
    sums = [sum(v * v for v in one.flatten().tolist()) / 24 for one in (low, high)]
    assert found['low'] == pytest.approx(sums[0])
    assert found['high'] == pytest.approx(sums[1])
    assert found['low_share'] == pytest.approx(sums[0] / sum(sums))
    assert not found['empty']
    assert band_energies(Bands(torch.zeros(1, 1, 2, 2), high))['empty']
    nothing = torch.zeros(1, 1, 2, 2)
    assert band_energies(Bands(nothing, nothing))['low_share'] == 0


def test_the_published_mask_is_empty_below_256_pixels_of_the_map():
    """A map is half as large as the image here."""
    (soft,) = record_bands(network('soft'), torch.rand(3, 64, 64))
    (box,) = record_bands(network('box'), torch.rand(3, 64, 64))
    halfway = network('box')
    (split,) = (one.split for one in halfway.modules() if hasattr(one, 'split'))
    torch.nn.init.zeros_(split.rate_conv[2].weight)  # a cut-off of 0.5: int(256 // 128 * 0.5) = 1
    (large,) = record_bands(halfway, torch.rand(3, 512, 512))
    assert not band_energies(soft.what)['empty']
    assert band_energies(box.what)['empty']
    assert not band_energies(large.what)['empty']


def test_a_network_without_bands():
    block = {'block': {'type': 'TransformerBlock'}}
    settings = {'type': 'RestorationUNet', 'dim': 4, 'depths': [1, 1], 'heads': [1, 1]}
    places = {'encoder': block, 'bottleneck': block, 'decoder': block}
    with pytest.raises(ValueError, match='splits no frequencies'):
        record_bands(MODELS.build(settings | places).eval(), torch.rand(3, 8, 8))


def test_the_middle_square_is_scaled():
    image = torch.zeros(3, 10, 20)
    image[:, :, 5:15] = 1
    torch.testing.assert_close(resized(image, 4), torch.ones(3, 4, 4))


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    samples = [Sample(str(n), 'rain', torch.rand(3, 20, 24), torch.rand(3, 20, 24)) for n in (1, 2)]
    found = analyze(network('soft'), samples, Output(tmp_path, 'frequency', {}), sides=[16, 32])
    assert [(one['side'], one['map'], one['images']) for one in found] == [(16, 8, 2), (32, 16, 2)]
    wanted = [
        band_energies(record_bands(network('soft'), resized(one.degraded, 16))[0].what)
        for one in samples
    ]
    assert found[0]['low'] == pytest.approx(sum(one['low'] for one in wanted) / 2)
    assert found[0]['high'] == pytest.approx(sum(one['high'] for one in wanted) / 2)
    shares = [one['low'] / (one['low'] + one['high']) for one in wanted]
    assert found[0]['low_share'] == pytest.approx(sum(shares) / 2)
    assert found[0]['empty_share'] == 0
    boxed = analyze(network('box'), samples, Output(tmp_path / 'box', 'frequency', {}), sides=[16])
    assert [(one['low'], one['low_share'], one['empty_share']) for one in boxed] == [(0, 0, 1)]
    assert (tmp_path / 'frequency_16.pdf').exists()
    assert (tmp_path / 'frequency.png').exists()
