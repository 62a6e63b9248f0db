"""Costs against sums over layers, and the published rows marked as such."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from irbox.analysis.cost import Cost, analyze, count, published_rows
from irbox.analysis.output import Output
from irbox.analysis.published_costs import PUBLISHED
from irbox.registry import MODELS
from support.small_model import small_config


def test_the_prior_is_counted_apart():
    with torch.device('meta'):
        network = MODELS.build(small_config()['model']['network'])
    found = count('small', network, 32, 24)
    prior = sum(weight.numel() for weight in network.prior.parameters())
    assert found.prior_parameters == prior > 0
    assert found.parameters + prior == sum(weight.numel() for weight in network.parameters())
    assert found.selected < found.papers < found.exact
    with torch.device('meta'):
        bare = MODELS.build(small_config(prior=None)['model']['network'])
    # The routers of this network do not depend on there being a prior in their convolutions.
    assert count('bare', bare, 32, 24).prior_parameters == 0
    assert count('bare', bare, 32, 24).prior_exact == 0 < found.prior_exact
    alone = FlopCounterMode(display=False)
    with alone, torch.device('meta'):
        network.prior(torch.rand(1, 3, 32, 24))
    assert found.prior_exact == alone.get_total_flops() / 2
    biases = found.prior_papers - found.prior_exact
    assert 0 < biases < 0.2 * found.prior_exact


def test_a_row_in_the_papers_units():
    cost = Cost('it', 2_000_000, 3_000_000, 4 * 10**9, 3 * 10**9, 5 * 10**9, 10**9)
    cost.prior_papers = 2 * 10**9
    cost.seconds = [0.5, 0.1, 0.2, 0.4, 0.3]
    cost.process_bytes = 7_000_000
    row = cost.row()
    assert row['parameters_M'] == 2
    assert row['parameters_with_prior_M'] == 5
    assert row['papers_GMACs'] == 4
    assert row['papers_with_prior_GMACs'] == 6
    assert row['papers_selected_GMACs'] == 3
    assert row['exact_GMACs'] == 5
    assert row['exact_with_prior_GMACs'] == 6
    assert row['latency_ms'] == pytest.approx(300)
    # Of five, a quarter of the way from the first to the last rank and one more: 1.5 and 4.5.
    assert row['latency_first_quarter_ms'] == pytest.approx(150)
    assert row['latency_third_quarter_ms'] == pytest.approx(450)
    assert row['runs'] == 5
    assert row['process_MB'] == 7
    assert row['device_MB'] is None


def test_published_rows_are_the_papers():
    rows = {row['method']: row for row in published_rows(PUBLISHED['m2ir_13'])}
    assert len(rows) == 11
    whole, bare = rows['M2IR'], rows['M2IR (w/o DA-CLIP)']
    assert whole['parameters_with_prior_M'] - bare['parameters_M'] == pytest.approx(246.2)
    assert whole['papers_with_prior_GMACs'] - bare['papers_GMACs'] == 14
    assert 'parameters_M' not in whole
    assert 'parameters_with_prior_M' not in bare
    assert rows['M2IR']['latency_ms'] == 339
    assert all(row['source'].startswith('as published (M2IR, Table XIII') for row in rows.values())
    seconds = {row['method']: row['latency_ms'] for row in published_rows(PUBLISHED['m2restore_3'])}
    assert seconds['M2Restore'] == 170
    assert seconds['AdaIR'] == min(seconds.values())


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    cost = Cost('mine', 2_000_000, 0, 4 * 10**9, 3 * 10**9, 5 * 10**9, 0, [0.2, 0.3], 10**8)
    text = analyze([cost], [PUBLISHED['m2restore_3']], Output(tmp_path, 'cost', {}))
    lines = text.splitlines()
    assert lines[2].startswith(
        '| mine | measured | 2.00 | 2.00 | 4.00 | 4.00 | 3.00 | 5.00 | 250.0 ('
    )
    assert '| M2Restore | as published (M2Restore, Table III; 224x224, RTX 3090) |' in text
    content = json.loads((tmp_path / 'cost.json').read_text())
    assert content['measured'][0]['seconds'] == [0.2, 0.3]
    assert (tmp_path / 'cost.md').read_text() == text
    assert (tmp_path / 'cost.svg').exists()
