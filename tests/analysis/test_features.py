"""Pooled features against sums over pixels."""

import numpy as np
import pytest
import torch

from irbox.analysis.clusters import separation, standardized
from irbox.analysis.features import analyze, pooled
from irbox.analysis.output import Output
from irbox.analysis.samples import Sample
from irbox.networks.restoration_network import RestorationNetwork
from support.small_model import small_model


def samples():
    generator = torch.Generator().manual_seed(0)
    found = []
    for label, level in (('haze', 0.8), ('rain', 0.3)):
        for number in range(3):
            image = level * torch.rand(3, 16, 16, generator=generator)
            found.append(Sample(f'{label}{number}', label, image, image))
    return found


def test_pooled_features_are_means_of_what_the_encoder_gives():
    network, image = small_model().network, samples()[0].degraded
    given = {}
    chains = {'encoder 1': network.encoders[0], 'bottleneck': network.bottleneck}
    handles = [
        chain.register_forward_hook(lambda _, __, out, name=name: given.update({name: out[0]}))
        for name, chain in chains.items()
    ]
    found = pooled(network, image)
    for handle in handles:
        handle.remove()
    assert list(found) == list(given)
    for place, values in found.items():
        for channel in (0, 7):
            rows = given[place][channel].tolist()
            wanted = sum(map(sum, rows)) / (len(rows) * len(rows[0]))
            assert values[channel] == pytest.approx(wanted, abs=1e-5)


def test_a_network_that_records_none_is_told_so():
    class Plain(RestorationNetwork):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def restore(self, padded, context):
            return padded

    with pytest.raises(ValueError, match='Plain records no Features'):
        pooled(Plain(), torch.rand(3, 8, 8))


def test_the_rows_are_those_of_the_standardized_features(tmp_path):
    pytest.importorskip('matplotlib')
    pytest.importorskip('sklearn')
    network, given = small_model().network, samples()
    rows = analyze({'small': network}, given, Output(tmp_path, 'features', {}), seeds=[1])
    assert [(row['network'], row['place'], row['channels']) for row in rows] == [
        ('small', 'encoder 1', 8),
        ('small', 'bottleneck', 16),
    ]
    points = np.array([pooled(network, one.degraded)['encoder 1'] for one in given])
    wanted = separation(standardized(points), [one.label for one in given])
    assert rows[0]['silhouette'] == pytest.approx(wanted.silhouette)
    assert rows[0]['within'] == pytest.approx(wanted.within)
    assert (tmp_path / 'features_tsne.svg').exists()
