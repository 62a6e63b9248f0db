"""Confusion and calibration counted by hand."""

import json

import numpy as np
import pytest
import torch

from irbox.analysis.output import Output
from irbox.analysis.prior import analyze, beliefs, calibration, confusion
from irbox.analysis.samples import Sample
from support.small_model import NAMES, small_model

BELIEFS = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.45, 0.5, 0.05], [0.05, 0.05, 0.9]])
LABELS = ['haze', 'haze', 'rain', 'noise']


def test_the_matrix():
    found = confusion(BELIEFS, LABELS, NAMES)
    assert found == {'haze': [1, 1, 0], 'rain': [0, 1, 0], 'noise': [0, 0, 1]}


def test_calibration_by_hand():
    right = np.array([True, False, True, True])
    bins, error = calibration(BELIEFS, right, bins=2)
    # Of two bins the upper one holds all: 0.7, 0.6, 0.5 and 0.9.
    assert bins == [{'confidence': pytest.approx(0.675), 'accuracy': 0.75, 'count': 4}]
    assert error == pytest.approx(0.075)
    bins, error = calibration(BELIEFS, right, bins=10)
    assert [one['count'] for one in bins] == [1, 1, 1, 1]
    assert error == pytest.approx((0.3 + 0.6 + 0.5 + 0.1) / 4)


def test_a_certain_prior_falls_into_the_last_bin():
    bins, error = calibration(np.array([[1.0, 0.0]]), np.array([True]))
    assert bins == [{'confidence': 1.0, 'accuracy': 1.0, 'count': 1}]
    assert error == 0


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    network = small_model().network
    samples = [
        Sample(f'{label}{n}', label, torch.rand(3, 16, 16), torch.rand(3, 16, 16))
        for label in ('haze', 'noise', 'blur')
        for n in range(2)
    ]
    found = analyze(network, NAMES, samples, Output(tmp_path, 'prior', {}))
    given = beliefs(network, samples)
    known = given[:4]
    truth = [0, 0, 2, 2]
    assert found['accuracy'] == np.mean(
        [row.argmax() == t for row, t in zip(known, truth, strict=True)]
    )
    brier = [
        sum((p - (i == t)) ** 2 for i, p in enumerate(row))
        for row, t in zip(known, truth, strict=True)
    ]
    assert found['brier'] == pytest.approx(sum(brier) / 4)
    assert sum(found['confusion']['blur']) == 2  # in the matrix, not in the calibration
    assert sum(one['count'] for one in found['bins']) == 4
    assert json.loads((tmp_path / 'prior.json').read_text())['names'] == NAMES
    with pytest.raises(ValueError, match='gives 3 probabilities and has 2 names'):
        analyze(network, NAMES[:2], samples, Output(tmp_path, 'prior', {}))


def test_a_network_without_a_prior():
    network = small_model(network={'prior': None, 'encoder': {'block': {'type': 'MSTBlock'}}})
    one = Sample('a', 'haze', torch.rand(3, 16, 16), torch.rand(3, 16, 16))
    with pytest.raises(ValueError, match='no prior'):
        beliefs(network.network, [one])
