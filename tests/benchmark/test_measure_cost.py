"""Costs on a device that is played: what is waited for, whose memory is read, who runs on."""

import json
from functools import partial

import pytest
import torch
from torch import nn

from irbox.benchmark import measure_cost as module
from irbox.benchmark.cases import Setting
from irbox.benchmark.measure_cost import measure_cost
from irbox.benchmark.networks import Described, save_weights
from irbox.benchmark.process import NotRunError
from irbox.benchmark.worker import Worker
from support.small_model import small_config

ON_A_DEVICE = Setting('', 24, 16, 1, 1, 'fp32', 'cuda:0', 'forward')
WEIGHTS, PEAK, PROCESS = 70_000_000, 123_000_000, 456_000_000


@pytest.fixture
def events(monkeypatch):
    """What a device was asked, in order; it is played by the meta device."""
    asked = []

    def ask(name, answer, device=None):
        asked.append((name, str(device)))
        return answer

    played = {
        'synchronize': None,
        'reset_peak_memory_stats': None,
        'memory_allocated': WEIGHTS,
        'max_memory_allocated': PEAK,
    }
    for name, answer in played.items():
        monkeypatch.setattr(torch.accelerator, name, partial(ask, name, answer))
    return asked


def test_a_device_is_waited_for_and_its_own_peak_is_read(events, tmp_path, monkeypatch):
    described = Described(small_config()['model']['network'])
    save_weights(described, tmp_path / 'weights.npz')
    called = nn.Module.__call__

    def noted(self, *args, **kwargs):
        if self is worker.network:
            events.append(('run', str(args[0].device)))
        return called(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, '__call__', noted)
    worker = Worker()
    worker.network = None
    worker.build(
        {
            'threads': torch.get_num_threads(),
            'device': 'meta',
            'precision': 'fp32',
            'task': 'forward',
            'network': described.network,
            'plugins': [],
            'weights': str(tmp_path / 'weights.npz'),
            'build': 'ours',
            'runtime': 'eager',
            'operator_scan': True,
            'keep_memory': False,
            'batch': 1,
            'width': 24,
            'height': 16,
        }
    )
    # The weights are there, then the peak is that of what comes after.
    assert {weight.device.type for weight in worker.network.parameters()} == {'meta'}
    assert events == [('memory_allocated', 'meta'), ('reset_peak_memory_stats', 'meta')]
    events.clear()
    assert worker.time({})['wall'] > 0
    # Nothing is left to do when the clock starts, and nothing when it stops.
    assert events == [('synchronize', 'meta'), ('run', 'meta'), ('synchronize', 'meta')]
    held = worker.memory({})
    assert (held['peak'], held['extra']) == (PEAK, PEAK - WEIGHTS)
    assert 10_000_000 < held['process'] != PEAK


class Played:
    """A process that answers at once; the second network does not fit into its memory."""

    made = 0

    def __init__(self, threads):
        self.number, self.runs, self.closed = Played.made, 0, False
        Played.made += 1

    def ask(self, do, **request):
        if do == 'build':
            assert request['device'] == 'cuda:0'
            return {'seconds': 1.0}
        assert not self.closed
        if do == 'memory':
            return {'peak': PEAK, 'extra': PEAK - WEIGHTS, 'process': PROCESS}
        self.runs += 1
        if self.number == 1 and self.runs == 3:
            raise NotRunError('OutOfMemoryError: no more')
        # The first run is the one that warms up.
        return {'wall': 100.0 if self.runs == 1 else self.number + self.runs / 10}

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def test_costs_of_several_networks_on_a_device(tmp_path, monkeypatch):
    config = tmp_path / 'small.json'
    config.write_text(json.dumps(small_config()))
    monkeypatch.setattr(module, 'Process', Played)
    monkeypatch.setattr(Played, 'made', 0)
    first, second, third = measure_cost([str(config)] * 3, ON_A_DEVICE, 4, say=lambda text: None)
    assert first.seconds == [0.2, 0.3, 0.4, 0.5]
    assert third.seconds == [2.2, 2.3, 2.4, 2.5]
    for cost in (first, third):
        row = cost.row()
        assert (row['device_MB'], row['process_MB'], row['problem']) == (123, 456, '')
    assert first.row()['latency_ms'] == pytest.approx(350)
    # Counted all the same, and no time of it stands beside the others'.
    assert second.problem == 'OutOfMemoryError: no more'
    assert second.row()['latency_ms'] is second.row()['device_MB'] is None
    assert second.parameters == first.parameters


def test_on_a_cpu_all_memory_is_the_process_s(tmp_path, monkeypatch):
    config = tmp_path / 'small.json'
    config.write_text(json.dumps(small_config()))
    monkeypatch.setattr(module, 'Process', Played)
    monkeypatch.setattr(Played, 'made', 0)
    monkeypatch.setattr(
        Played,
        'ask',
        lambda self, do, **request: {
            'memory': {'peak': PROCESS, 'extra': 0, 'process': PROCESS}
        }.get(do, {'wall': 1.0, 'seconds': 1.0}),
    )
    setting = Setting('', 24, 16, 1, 1, 'fp32', 'cpu', 'forward')
    (one,) = measure_cost([str(config)], setting, 1, say=lambda text: None)
    assert (one.device_bytes, one.process_bytes) == (0, PROCESS)
