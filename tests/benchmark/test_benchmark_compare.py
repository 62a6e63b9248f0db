"""Variants in processes of their own: the same weights, the same answer, real times."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import irbox
from irbox.benchmark.cases import Setting, Variant, variants
from irbox.benchmark.measure import Comparison, Row, compare
from irbox.benchmark.networks import Described, count_work, read_network, save_weights
from irbox.benchmark.plot import plot
from irbox.benchmark.process import Here, NotRunError, Process
from irbox.benchmark.tables import comparison_table, spread
from irbox.benchmark.worker import Worker, build_network, prepared
from support.paths import ROOT
from support.small_model import small_config

SETTING = Setting('small', 20, 16, 2, 1, 'fp32', 'cpu', 'forward')


@pytest.fixture(scope='module')
def described():
    return Described(small_config()['model']['network'])


@pytest.fixture(scope='module')
def weights(described, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'weights.npz'
    assert save_weights(described, path) > 1000
    return path


def request(described, weights, **changes):
    found = {
        'threads': torch.get_num_threads(),
        'device': 'cpu',
        'precision': 'fp32',
        'task': 'forward',
        'network': described.network,
        'plugins': [],
        'weights': str(weights),
        'build': 'ours',
        'runtime': 'eager',
        'operator_scan': True,
        'keep_memory': False,
        'batch': 2,
        'width': 20,
        'height': 16,
    }
    return found | changes


def answer_of(tmp_path, *args, **changes):
    worker = Worker()
    worker.build(request(*args, **changes))
    worker.output({'path': str(tmp_path / 'answer.npy')})
    passed = worker.time({})
    assert passed['wall'] > 0 and passed['cpu'] > 0
    return torch.from_numpy(np.load(tmp_path / 'answer.npy'))


@pytest.mark.parametrize('task', ['forward', 'train'])
def test_builds_answer_alike(described, weights, tmp_path, task):
    ours, plain = (
        answer_of(tmp_path, described, weights, build=build, task=task)
        for build in ('ours', 'textbook')
    )
    assert ours.std() > 0
    assert (ours - plain).abs().max() < 1e-3 * ours.std()
    if task == 'forward':
        assert ours.numel() == 2 * 3 * 16 * 20


def test_precision_shows(described, weights, tmp_path):
    full, half = (
        answer_of(tmp_path, described, weights, precision=precision)
        for precision in ('fp32', 'bf16')
    )
    away = (full - half).abs().max() / full.std()
    assert 1e-4 < away < 0.2


def test_a_kept_network_answers_the_next_setting(described, weights, tmp_path):
    """What accelerators' variants do: forward, then training, then forward of another size."""
    kept, fresh = Here(), []
    path = tmp_path / 'kept.npy'
    for changes in ({}, {'task': 'train'}, {'width': 24}):
        kept.ask('build', **request(described, weights, **changes))
        kept.ask('output', path=str(path))
        assert kept.ask('time')['wall'] > 0
        fresh = answer_of(tmp_path, described, weights, **changes)
        assert torch.equal(torch.from_numpy(np.load(path)), fresh)
    other = small_config(prior=None)['model']['network']
    with pytest.raises(NotRunError, match='state_dict'):  # another network, these weights
        kept.ask('build', **request(described, weights, network=other))


def test_what_is_no_graph_is_said(described, weights):
    with pytest.raises(NotRunError, match='only what a CUDA device computes'):
        Here().ask('build', **request(described, weights, runtime='captured'))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_a_captured_step_has_the_gradients_of_an_eager_one(described, weights, tmp_path):
    """After steps were timed, too: they start anew from the same weights."""
    eager, captured = (
        answer_of(tmp_path, described, weights, device='cuda', task='train', runtime=runtime)
        for runtime in ('eager', 'captured')
    )
    assert eager.std() > 0
    assert (eager - captured).abs().max() < 1e-3 * eager.std()


@pytest.mark.slow
def test_an_exported_network_runs(described):
    block = {'block': {'type': 'TransformerBlock'}}
    config = small_config(prior=None, encoder=block)['model']['network']
    network = build_network(config, []).requires_grad_(False)
    image = torch.rand(1, 3, 16, 16)
    run = prepared(network, image, 'exported', torch.no_grad)
    torch.testing.assert_close(run(image), network(image))


@pytest.mark.parametrize('runtime', ['onnxruntime', 'openvino'])
def test_a_runtime_that_is_missing_says_so_at_once(runtime, monkeypatch):
    monkeypatch.setitem(sys.modules, runtime, None)
    with pytest.raises(ImportError, match=runtime):
        prepared(torch.nn.Identity(), torch.zeros(1), runtime, torch.no_grad)


def test_work_grows_with_the_image(described):
    small, large = count_work(described, 16, 16), count_work(described, 32, 32)
    assert 3 < large / small < 5


def test_weights_are_stirred(weights):
    with np.load(weights) as arrays:
        for name, weight in arrays.items():
            assert weight.size == 1 or weight.std() > 0, name


def test_daclip_gets_a_stand_in():
    found = read_network(str(ROOT / 'configs/_base_/models/m2ir.yaml'))
    assert found.network['prior'] == {
        'type': 'FrozenRandomPrior',
        'num_degradations': 5,
        'feature_dim': 512,
    }
    assert 'stand-in' in found.notes[0]


def test_what_is_compared():
    found = variants(['eager', 'compiled'], True, ['../other'], ['openvino'])
    names = ['ours', 'ours compiled', 'textbook', '../other', 'textbook openvino']
    assert [variant.name for variant in found] == names
    found = variants(['eager'], False, [], [], keep_memory=True)
    assert [variant.name for variant in found] == ['ours', 'ours, memory kept']


def test_a_folder_that_is_no_checkout(tmp_path):
    with pytest.raises(NotRunError, match='is no checkout'):
        Process(str(tmp_path))


def test_packages_that_stand_in_a_folder_of_their_own_are_found(tmp_path, monkeypatch):
    Path(tmp_path, 'sitecustomize.py').write_text(f'open({str(tmp_path / "seen")!r}, "w").close()')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    with Process() as process, pytest.raises(NotRunError):
        process.ask('nothing that it knows')
    assert Path(tmp_path, 'seen').exists()


@pytest.mark.slow
def test_processes(described):
    builds = [
        Variant('ours'),
        Variant('textbook'),
        Variant('against', checkout=str(ROOT)),
        Variant('against', checkout='nowhere'),
    ]
    found = compare(SETTING, builds, described, rounds=2, product_side=64, say=lambda text: None)
    ours, plain, same, nowhere = found.rows
    for row in (ours, plain, same):
        assert len(row.wall) == len(row.cpu) == 2
        assert row.peak > row.extra >= 0
    assert same.difference == 0
    assert 0 < plain.difference < 1e-4
    assert 'no checkout' in nowhere.problem
    assert found.machine['fp32'] > 0 and found.machine['copy'] > 0
    assert 0 < found.share(ours) < 1
    json.dumps(found.as_dict())


class Played:
    """A process that answers at once; that of ours, eager, ends while it is timed."""

    def __init__(self, checkout=None, threads=1):
        self.build, self.runs, self.closed = None, 0, False

    def ask(self, do, **asked):
        assert not self.closed
        if do == 'build':
            self.build = asked['build'], asked['runtime']
            if asked['runtime'] == 'captured':
                raise NotRunError('only what a CUDA device computes can be')
        elif do == 'output':
            np.save(asked['path'], np.arange(4.0))
        elif do == 'machine':
            return {'fp32': 1.0}
        elif do == 'time':
            self.runs += 1
            if self.build == ('ours', 'eager') and self.runs == 3:
                raise NotRunError('the process ended with code -9')
        return {'seconds': 0.0, 'wall': 2.0, 'cpu': 1.0, 'peak': 2, 'extra': 1}

    def close(self):
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def test_variants_that_fail_leave_the_others(described, tmp_path, monkeypatch):
    """One that cannot be built, and one that is ended while it is timed."""
    monkeypatch.setattr('irbox.benchmark.measure.Process', Played)
    builds = variants(['captured', 'eager'], True, [], [])
    found = compare(SETTING, builds, described, rounds=3, say=lambda text: None)
    captured, ended, plain = found.rows
    assert 'CUDA' in captured.problem and 'code -9' in ended.problem
    assert (ended.wall, ended.cpu, plain.wall) == ([], [], [2.0] * 3)
    assert found.first is plain and found.ratio(plain) == 1
    assert comparison_table(found).row_count == 3
    plot(tmp_path / 'times.png', [found])


def test_an_accelerators_variant_that_failed_lets_go_of_its_network(described, weights):
    kept = Here()
    kept.ask('build', **request(described, weights))
    kept.close()
    with pytest.raises(NotRunError):
        kept.ask('time')
    kept.ask('build', **request(described, weights))
    assert kept.ask('time')['wall'] > 0


def comparison():
    rows = [
        Row('ours', wall=[1.0, 2.0, 3.0], cpu=[1.0, 1.0, 1.0], peak=2**30, extra=2**29),
        Row('textbook', wall=[4.0, 4.0, 4.0], cpu=[3.0, 3.0, 3.0], difference=1e-6, share_off=0.0),
        Row('other', problem='it has no irbox'),
    ]
    return Comparison(SETTING, rows, 'wall', macs=10**9, machine={'fp32': 4.0, 'copy': 2.0})


def test_ratios_shares_and_tables():
    found = comparison()
    assert found.ratio(found.rows[1]) == 2
    assert found.share(found.rows[0]) == pytest.approx(2 * 1e9 / 2 / 1e9 / 4)
    found.clock = 'cpu'
    assert found.ratio(found.rows[1]) == 3
    assert comparison_table(found).row_count == 3
    assert spread([1.0, 2.0, 3.0]) == pytest.approx(0.25)


def test_plot(tmp_path):
    plot(tmp_path / 'deep' / 'times.png', [comparison(), comparison()])
    assert (tmp_path / 'deep' / 'times.png').read_bytes()[:4] == b'\x89PNG'


def test_the_package_knows_its_root():
    from irbox.benchmark.process import HERE

    assert (HERE / 'irbox' / '__init__.py').samefile(irbox.__file__)
