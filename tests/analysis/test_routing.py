"""Numbers of routings against counts pixel by pixel."""

import csv
import json
import math
from dataclasses import replace

import pytest
import torch

from irbox.analysis.output import Output
from irbox.analysis.routing import analyze, clusters, measure, routings, usage, vectors
from irbox.analysis.samples import Sample
from irbox.structures import Routing
from support.small_model import small_model


def samples(count=3):
    generator = torch.Generator().manual_seed(0)
    found = []
    for label, level in (('haze', 0.8), ('rain', 0.3)):
        for number in range(count):
            image = level * torch.rand(3, 16, 16, generator=generator)
            found.append(Sample(f'{label}{number}', label, image, image))
    return found


def routing(seed=0):
    """Two of three experts for each of six pixels; nobody takes the last."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(1, 3, 2, 3, generator=generator)
    weights[:, 2] = 0
    weights[0, 1, 0, 0] = 0
    return Routing(weights / weights.sum(1, keepdim=True), torch.ones(3))


def test_an_image_against_its_pixels():
    one, given = samples()[0], routing()
    found = measure(1, one, 'here', given)
    pixels = [
        [float(given.weights[0, n, y, x]) for n in range(3)] for y in range(2) for x in range(3)
    ]
    for expert in range(3):
        wanted = sum(pixel[expert] for pixel in pixels) / 6
        assert found.weights[expert] == pytest.approx(wanted, abs=1e-6)
        visits = sum(pixel[expert] > 0 for pixel in pixels)
        assert found.shares[expert] == pytest.approx(visits / 6)
    bits = [-sum(w * math.log2(w) for w in pixel if w) for pixel in pixels]
    assert found.pixel_entropy == pytest.approx(sum(bits) / 6, abs=1e-5)


def test_usage_by_hand():
    pairs = [measure(seed, sample, 'here', routing(seed)) for seed, sample in enumerate(samples(1))]
    rows = usage(pairs)
    assert [(row['label'], row['images']) for row in rows] == [('haze', 1), ('rain', 1), ('all', 2)]
    last = rows[-1]
    shares = [sum(pair.shares[expert] for pair in pairs) / 2 for expert in range(3)]
    assert [last[f'expert {n}'] for n in (1, 2, 3)] == pytest.approx(shares)
    assert last['unvisited'] == [3]
    total = sum(shares)
    bits = -sum(s / total * math.log2(s / total) for s in shares if s)
    assert last['entropy'] == pytest.approx(bits)
    assert last['evenness'] == pytest.approx(bits / math.log2(3))
    assert last['pixel_entropy'] == pytest.approx(sum(pair.pixel_entropy for pair in pairs) / 2)
    assert rows[0]['pixel_entropy'] == pairs[0].pixel_entropy
    assert [rows[1][f'expert {n}'] for n in (1, 2, 3)] == pytest.approx(list(pairs[1].shares))
    mean = total / 3
    variance = sum((s - mean) ** 2 for s in shares) / 2
    assert last['balance'] == pytest.approx(variance / mean**2)


def test_vectors_hold_all_places_of_an_image():
    network = small_model().network
    found = [
        measure(number, sample, place, one)
        for number, sample in enumerate(samples())
        for place, one in routings(network, sample.degraded).items()
    ]
    points, labels = vectors(found)
    assert points.shape == (6, 3)  # one place of three experts
    assert points.sum(1) == pytest.approx([1] * 6, abs=1e-5)
    assert labels == ['haze'] * 3 + ['rain'] * 3


def test_images_of_one_name_are_points_of_their_own(tmp_path):
    pytest.importorskip('matplotlib')
    pytest.importorskip('sklearn')
    given = [replace(one, name=f'{number % 3}') for number, one in enumerate(samples())]
    numbers = analyze(small_model().network, given, Output(tmp_path, 'routing', {}), seeds=[])
    other = analyze(small_model().network, samples(), Output(tmp_path, 'routing', {}), seeds=[])
    assert numbers['clusters'] == other['clusters']
    lines = csv.DictReader((tmp_path / 'routing_images.csv').read_text().splitlines())
    assert [line['number'] for line in lines] == list('123456')


def test_a_network_without_experts_is_refused():
    network = small_model(network={'encoder': {'block': {'type': 'TransformerBlock'}}}).network
    with pytest.raises(ValueError, match='no experts'):
        routings(network, samples()[0].degraded)


def test_clusters_are_the_same_each_time():
    pytest.importorskip('sklearn')
    network = small_model().network
    found = [
        measure(number, sample, place, one)
        for number, sample in enumerate(samples())
        for place, one in routings(network, sample.degraded).items()
    ]
    first, second = clusters(found, [1]), clusters(found, [1])
    assert list(first) == ['weights', 'standardized weights']
    assert first['weights'][0] == second['weights'][0]
    assert first['weights'][1].spread == second['weights'][1].spread


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    pytest.importorskip('sklearn')
    numbers = analyze(small_model().network, samples(), Output(tmp_path, 'routing', {}), seeds=[1])
    written = json.loads((tmp_path / 'routing.json').read_text())
    assert written['usage'][0]['place'] == 'encoder 1: before_level'
    assert written['clusters']['weights']['silhouette'] == pytest.approx(
        numbers['clusters']['weights']['silhouette']
    )
    for stem in ('routing_clusters', 'routing_shares', 'routing_maps'):
        for kind in ('png', 'pdf', 'svg'):
            assert (tmp_path / f'{stem}.{kind}').stat().st_size > 1000
    assert len((tmp_path / 'routing_images.csv').read_text().splitlines()) == 7
