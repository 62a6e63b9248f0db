"""Checkpoints that load and are malformed: each field, before anything is applied."""

import copy
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.checkpoint import read_checkpoint, tensors_in
from irbox.engine.prepare import prepare_training
from irbox.engine.test import test as score
from irbox.engine.train import find_checkpoint, train
from irbox.engine.training_state import check_state
from support.paths import ROOT, TINY

OLD = ROOT / 'tests/support/checkpoints'
DELETE = object()


def run(work_dir, resume=None, **options):
    options = {key.replace('__', '.'): value for key, value in options.items()}
    config = load_config(TINY, options | {'work_dir': str(work_dir)})
    train(config, None, find_checkpoint(config, resume))


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    run(folder)
    return folder


LAUGHS = ['x', 'x']
for _ in range(30):
    LAUGHS = [LAUGHS, LAUGHS]

WEIGHT = 'network.layers.0.bias'
FAULTS = [
    ('meta', 'text', 'meta: '),
    ('meta', DELETE, 'holds weights only'),
    ('meta.iter', -1, 'meta.iter: -1'),
    ('meta.iter', '8', "meta.iter: '8'"),
    ('meta.iter', 10**9, 'meta.iter: 1000000000 iterations are done'),
    ('meta.draws', None, 'meta.draws: null'),
    ('meta.seed', 'zero', 'meta.seed'),
    ('meta.frozen', [1], 'meta.frozen'),
    ('meta.frozen', {'prior': 3}, 'meta.frozen.prior'),
    ('meta.cfg', 3, 'meta.cfg'),
    ('message_hub', 'text', 'message_hub: '),
    ('message_hub.log_scalars', [1], 'message_hub.log_scalars'),
    ('message_hub.log_scalars', {'train/loss': [[1.0], []]}, 'log_scalars.train/loss: '),
    ('message_hub.log_scalars', {'train/loss': 3}, 'log_scalars.train/loss: '),
    ('message_hub.runtime_info.keep_ckpt_ids', 'all', 'runtime_info.keep_ckpt_ids'),
    ('message_hub.runtime_info.best_score', 'high', 'runtime_info.best_score'),
    ('message_hub.runtime_info.other', LAUGHS, 'more than 10000 values'),
    ('message_hub.resumed_keys', {'a': 3}, 'resumed_keys.a'),
    ('optimizer', None, 'optimizer: null'),
    ('optimizer.param_groups', [], '0 groups of weights instead of 1'),
    ('optimizer.param_groups.0.params', [0, 1], 'param_groups.0 is of other weights'),
    ('optimizer.param_groups.0.lr', 'fast', 'param_groups.0.lr'),
    ('optimizer.param_groups.0.lr', DELETE, 'param_groups.0 lacks lr'),
    ('optimizer.state.0', {}, r'state.0 lacks step, exp_avg, exp_avg_sq'),
    ('optimizer.state.0', 3, r'optimizer.state.0: 3'),
    ('optimizer.state.77', {}, r'state.77 is of no weight'),
    ('optimizer.state.2.exp_avg', torch.zeros(1, 3), r'state.2.exp_avg is of another shape'),
    ('optimizer.state.0.exp_avg', torch.zeros(3, dtype=torch.int8), 'exp_avg is of torch.int8'),
    ('optimizer.state.0.exp_avg', torch.full((3,), torch.nan), 'state.0.exp_avg is not finite'),
    ('param_schedulers', {}, 'param_schedulers: '),
    ('param_schedulers.0', {}, 'param_scheduler: 0 lacks start_factor'),
    ('param_schedulers.0.last_step', 'two', 'param_scheduler: 0.last_step'),
    ('param_schedulers.0.base_values', [0.1, 0.1], '0.base_values: .* must be 1 numbers'),
    ('ema_state_dict', [1], 'ema_state_dict: '),
    ('ema_state_dict', DELETE, 'without averaged weights'),
    (f'ema_state_dict#module.{WEIGHT}', DELETE, 'ema_state_dict does not fit.*1 missing'),
    ('ema_state_dict#other', torch.ones(1), 'ema_state_dict does not fit.*1 unknown'),
    ('ema_state_dict#steps', torch.tensor(-1), 'steps is below 0'),
    (f'state_dict#{WEIGHT}', torch.zeros(4, dtype=torch.complex64), '1 of another kind'),
    (f'state_dict#{WEIGHT}', torch.zeros(4, dtype=torch.int8), '1 of another kind'),
    (f'state_dict#{WEIGHT}', torch.zeros(4).to_sparse(), 'sparse'),
    (f'state_dict#{WEIGHT}', torch.full((4,), torch.inf), 'is not finite'),
]


def changed(content, place, value):
    content = copy.deepcopy(content)
    path, _, last = place.partition('#')
    keys = [int(key) if key.isdigit() else key for key in path.split('.')] + [last] * bool(last)
    owner = content
    for key in keys[:-1]:
        owner = owner[key]
    if value is DELETE:
        del owner[keys[-1]]
    else:
        owner[keys[-1]] = value
    return content


@pytest.fixture(scope='module')
def begun(tmp_path_factory):
    """A training that is built and has not begun: what would resume."""
    compat.init()
    folder = tmp_path_factory.mktemp('begun')
    runner = prepare_training(load_config(TINY, {'work_dir': str(folder)})).runner()
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.call_hook('before_run')
    runner._resume = True
    return runner


def state_of(runner):
    state = [runner.model.state_dict(), runner.optim_wrapper.state_dict()]
    tensors = {place: value.clone() for place, value in tensors_in(state).items()}
    return tensors, [one.state_dict() for one in runner.param_schedulers], runner.iter


@pytest.mark.filterwarnings('ignore:Validating sparse tensor:UserWarning')
@pytest.mark.parametrize(
    ('place', 'value', 'message'), FAULTS, ids=[f'{n} {fault[0]}' for n, fault in enumerate(FAULTS)]
)
def test_a_malformed_field_is_named_before_anything_is_applied(
    whole, begun, tmp_path, place, value, message
):
    path = tmp_path / 'iter_8.pth'
    torch.save(changed(read_checkpoint(whole / 'iter_8.pth'), place, value), path)
    before = state_of(begun)
    with pytest.raises(ValueError, match=message):
        begun.resume(str(path))
    after = state_of(begun)
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=0)
    assert after[1:] == before[1:]


def test_the_best_score_may_be_infinite(whole):
    content = read_checkpoint(whole / 'iter_8.pth')
    place = 'message_hub.runtime_info.best_score'
    for best in (math.inf, -math.inf):
        check_state(changed(content, place, best), 'iter_8.pth')
    with pytest.raises(ValueError, match='best_score'):
        check_state(changed(content, place, math.nan), 'iter_8.pth')


def test_a_malformed_field_leaves_the_work_dir_alone(whole, tmp_path):
    content = changed(read_checkpoint(whole / 'iter_8.pth'), 'meta.iter', 10**9)
    torch.save(content, tmp_path / 'iter_8.pth')
    with pytest.raises(ValueError, match=r'meta\.iter'):
        run(tmp_path / 'work', tmp_path / 'iter_8.pth')
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize('value', ['text', {'frozen': 3}, {'run': 3}])
def test_a_malformed_description_is_no_test(whole, tmp_path, value):
    content = read_checkpoint(whole / 'final.pth')
    torch.save(content | {'meta': value}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'a\.pth: meta'):
        score(load_config(TINY, {'work_dir': str(tmp_path)}), tmp_path / 'a.pth')


def test_an_optimiser_that_keeps_rows_and_columns_of_matrices_is_resumed(tmp_path):
    adafactor = {'_delete_': True, 'type': 'TorchAdafactor', 'lr': 1e-2}
    factored = {'optim_wrapper__optimizer': adafactor}
    run(tmp_path, train_cfg__max_iters=4, **factored)
    run(tmp_path, 'auto', train_cfg__max_iters=8, **factored)
    content = read_checkpoint(tmp_path / 'iter_8.pth')
    state = content['optimizer']['state']
    number = next(number for number, kept in state.items() if 'row_var' in kept)
    place, rows = f'optimizer.state.{number}.row_var', state[number]['row_var']
    assert rows.shape[-1] == 1
    for value, message in ((DELETE, 'lacks row_var'), (rows[:1], 'row_var is of another')):
        torch.save(changed(content, place, value), tmp_path / 'bad.pth')
        with pytest.raises(ValueError, match=message):
            run(tmp_path, tmp_path / 'bad.pth', **factored)


def test_a_checkpoint_of_the_first_version_goes_on_as_it_would_have(whole, tmp_path):
    shutil.copy(OLD / '20ad5ae_iter_8.pt', tmp_path / 'iter_8.pth')
    run(tmp_path, 'auto')
    old, new = (read_checkpoint(folder / 'iter_12.pth') for folder in (tmp_path, whole))
    # Its four steps move a weight by about 1e-2; another processor rounds otherwise.
    alike = {'rtol': 0, 'atol': 1e-5}
    begin = read_checkpoint(OLD / '20ad5ae_iter_8.pt')['state_dict']
    assert max((old['state_dict'][name] - begin[name]).abs().max() for name in begin) > 1e-3
    for key in ('state_dict', 'ema_state_dict'):
        torch.testing.assert_close(old[key], new[key], **alike)
    final = read_checkpoint(OLD / '20ad5ae_final.pt')['state_dict']
    torch.testing.assert_close({name: old['state_dict'][name] for name in final}, final, **alike)


def test_a_checkpoint_in_the_home_folder_is_tested(whole, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(whole))
    assert score(load_config(TINY, {'work_dir': str(tmp_path)}), Path('~/final.pth'))


def test_weights_of_the_first_version_are_tested(whole, tmp_path):
    rows = [
        score(load_config(TINY, {'work_dir': str(tmp_path)}), path)
        for path in (OLD / '20ad5ae_final.pt', whole / 'final.pth')
    ]
    for old, new in zip(*rows, strict=True):
        # Weights of another processor; see the test before.
        scores = (old.psnr, old.ssim), (new.psnr, new.ssim)
        assert scores[0] == pytest.approx(scores[1], rel=0, abs=1e-4)
        assert replace(old, psnr=new.psnr, ssim=new.ssim) == new


def test_bytes_that_were_flipped_are_noticed_and_the_older_file_is_taken(whole, tmp_path, capsys):
    """64 of them, inside a tensor: torch loads the file as if nothing was."""
    shutil.copy(whole / 'iter_8.pth', tmp_path)
    data = bytearray((whole / 'iter_12.pth').read_bytes())
    weight = read_checkpoint(whole / 'iter_12.pth')['optimizer']['state'][2]['exp_avg']
    start = data.index(weight.numpy().tobytes())
    for place in range(start, start + 64):
        data[place] ^= 0xFF
    (tmp_path / 'iter_12.pth').write_bytes(data)
    assert torch.load(tmp_path / 'iter_12.pth', weights_only=True)
    run(tmp_path, 'auto')
    assert 'iter_12.pth is damaged' in capsys.readouterr().err
    one, two = (read_checkpoint(folder / 'iter_12.pth') for folder in (tmp_path, whole))
    assert all(
        torch.equal(one['state_dict'][key], two['state_dict'][key]) for key in two['state_dict']
    )
    (tmp_path / 'x.pth').write_bytes(data)
    with pytest.raises(ValueError, match=r'x\.pth is damaged.*Bad CRC-32'):
        run(tmp_path, tmp_path / 'x.pth')
