"""Numbers of gates against pixel by pixel sums."""

import csv
import json
import math

import pytest
import torch

from irbox.analysis.gates import (
    GatePair,
    GateRow,
    analyze,
    degradation_map,
    gate_pairs,
    measure,
    summarize,
)
from irbox.analysis.output import Output
from irbox.analysis.samples import Sample
from irbox.registry import MODELS


def network():
    block = {'type': 'TransformerBlock'}
    settings = {
        'type': 'RestorationUNet',
        'dim': 4,
        'depths': [1, 1],
        'heads': [1, 1],
        'refinement': 0,
        'encoder': {'block': {'type': 'MSTBlock'}},
        'bottleneck': {'block': {'type': 'MambaCNNBlock'}},
        'decoder': {'block': block},
    }
    torch.manual_seed(0)
    return MODELS.build(settings).eval()


def sample(name='one', label='rain', seed=0):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(3, 8, 12, generator=generator)
    noise = torch.rand(3, 8, 12, generator=generator)
    return Sample(name, label, (clean + 0.3 * noise).clamp(0, 1), clean)


def pearson(a, b):
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    below = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return top / below


def test_numbers_against_sums_over_pixels():
    one = sample()
    generator = torch.Generator().manual_seed(3)
    pair = GatePair('here', 'attention', *torch.rand(2, 5, 4, 6, generator=generator))
    degraded, clean, error = [], [], []
    for y in range(4):
        for x in range(6):
            degraded.append(sum(float(pair.degraded[c, y, x]) for c in range(5)) / 5)
            clean.append(sum(float(pair.clean[c, y, x]) for c in range(5)) / 5)
            # Two by two pixels of the image lie under one of the map.
            square = [
                abs(
                    float(
                        one.degraded[c, 2 * y + i, 2 * x + j] - one.clean[c, 2 * y + i, 2 * x + j]
                    )
                )
                for c in range(3)
                for i in range(2)
                for j in range(2)
            ]
            error.append(sum(square) / len(square))
    change = [d - c for d, c in zip(degraded, clean, strict=True)]
    row = measure(one, pair)
    assert row.mean_degraded == pytest.approx(sum(degraded) / 24, abs=1e-6)
    assert row.mean_clean == pytest.approx(sum(clean) / 24, abs=1e-6)
    assert row.correlation == pytest.approx(pearson(degraded, error), abs=1e-5)
    assert row.correlation_clean == pytest.approx(pearson(clean, error), abs=1e-5)
    assert row.correlation_difference == pytest.approx(pearson(change, error), abs=1e-5)
    ranked = [change[i] for i in sorted(range(24), key=lambda i: error[i])]
    wanted = sum(ranked[-2:]) / 2 - sum(ranked[:2]) / 2
    assert row.worst_minus_best == pytest.approx(wanted, abs=1e-5)


def test_a_gate_that_closes_where_the_degradation_is_is_found():
    one = sample()
    error = degradation_map(one, (4, 6))
    closing = GatePair('here', 'attention', (0.9 - error)[None], torch.full((1, 4, 6), 0.9))
    row = measure(one, closing)
    assert row.correlation == pytest.approx(-1, abs=1e-5)
    assert row.correlation_difference == pytest.approx(-1, abs=1e-5)
    assert math.isnan(row.correlation_clean)
    assert row.worst_minus_best < 0


def test_an_image_that_is_clean_moves_no_gate():
    clean = sample().clean
    for pair in gate_pairs(network(), Sample('same', 'clean', clean, clean)):
        row = measure(Sample('same', 'clean', clean, clean), pair)
        assert row.mean_degraded == row.mean_clean
        assert math.isnan(row.correlation_difference)


def test_sums_over_images_by_hand():
    nan = float('nan')
    rows = [
        GateRow('rain', str(n), 'here', 'attention', 0.5, 0.5, *values)
        for n, values in enumerate([(0.1, nan, -0.4, 2.0), (0.3, nan, -0.2, 1.0), (nan,) * 4])
    ]
    (line,) = summarize([*rows])
    assert (line['images'], line['weighs']) == (3, 'attention')
    # What does not vary has no correlation, and is left out of the mean.
    assert line['correlation'] == pytest.approx(0.2)
    assert line['correlation_deviation'] == pytest.approx(0.1)
    assert line['correlation_negative'] == 0
    assert math.isnan(line['correlation_clean'])
    assert line['correlation_difference'] == pytest.approx(-0.3)
    assert line['correlation_difference_deviation'] == pytest.approx(0.1)
    assert line['correlation_difference_negative'] == 2
    assert line['worst_minus_best'] == pytest.approx(1.5)


def test_places():
    pairs = gate_pairs(network(), sample())
    assert [(pair.place, pair.weighs) for pair in pairs] == [
        ('encoder 1: block', 'attention'),
        ('bottleneck: block', 'cnn'),
    ]
    assert [pair.place for pair in gate_pairs(network(), sample(), ['enc'])] == ['encoder 1: block']
    with pytest.raises(ValueError, match='--places decoder: the gates are at encoder 1: block'):
        gate_pairs(network(), sample(), ['decoder'])


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    output = Output(tmp_path, 'gates', {})
    samples = [sample('a'), sample('b', seed=1), sample('c', 'haze', 2)]
    found = analyze(network(), samples, output, channels=[0])
    assert [(one['place'], one['label'], one['images']) for one in found] == [
        ('encoder 1: block', 'rain', 2),
        ('encoder 1: block', 'haze', 1),
        ('bottleneck: block', 'rain', 2),
        ('bottleneck: block', 'haze', 1),
    ]
    with open(tmp_path / 'gates_images.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    here = [
        float(row['correlation_difference'])
        for row in rows
        if (row['place'], row['label']) == ('encoder 1: block', 'rain')
    ]
    assert found[0]['correlation_difference'] == pytest.approx(sum(here) / 2)
    assert json.loads((tmp_path / 'gates.json').read_text())[0]['images'] == 2
    names = {path.name for path in tmp_path.iterdir()}
    for stem in ('gates', 'gates_a', 'gates_b', 'gates_c'):
        assert {f'{stem}.png', f'{stem}.pdf', f'{stem}.svg'} <= names
    with pytest.raises(ValueError, match='--channels 9'):
        analyze(network(), samples[:1], output, channels=[9])
    analyze(network(), samples, Output(tmp_path / 'few', 'gates', {}), sheets=1)
    sheets = {path.stem for path in (tmp_path / 'few').glob('gates_*.pdf')}
    assert sheets == {'gates_a', 'gates_c'}
