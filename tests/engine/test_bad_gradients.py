"""What a gradient that is not finite does to a training: real trainings of the tiny config."""

import json

import pytest
import torch

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.checkpoint import read_checkpoint, write_checkpoint
from irbox.engine.leaving import DivergenceError
from irbox.engine.optim.amp_optim_wrapper import AmpOptimWrapper
from irbox.engine.optim.optim_wrapper import OptimWrapper
from irbox.engine.prepare import prepare_training
from irbox.engine.test import test as score
from irbox.engine.train import find_checkpoint, train
from support.paths import TINY

NAN = float('nan')


def run(work_dir, resume=None, **options):
    options = {key.replace('__', '.'): value for key, value in options.items()}
    config = load_config(TINY, options | {'work_dir': str(work_dir)})
    train(config, None, find_checkpoint(config, resume))


def finite(path):
    content = read_checkpoint(path)
    tensors = [*content['state_dict'].values(), *content.get('ema_state_dict', {}).values()]
    for state in content.get('optimizer', {}).get('state', {}).values():
        tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return all(tensor.isfinite().all() for tensor in tensors)


@pytest.mark.parametrize('clip', [{'max_norm': 1.0}, {'type': 'value', 'clip_value': 1.0}, None])
def test_one_bad_gradient_is_one_step_less(tmp_path, capsys, clip):
    run(
        tmp_path,
        model__network__spoil_gradients_at=[6, 7],
        optim_wrapper__clip_grad=clip and clip | {'_delete_': True},
    )
    output = capsys.readouterr()
    warnings = [line for line in output.err.splitlines() if 'not finite' in line]
    assert len(warnings) == 2
    assert warnings[0].startswith('WARNING: Iteration 6: the gradient is not finite (norm nan)')
    assert '2 steps were left out' in output.out
    lines = (tmp_path / 'skipped.jsonl').read_text().split()
    entries = [
        json.loads(line) for line in (tmp_path / 'skipped.jsonl').read_text().splitlines() if line
    ]
    assert lines and [entry['iteration'] for entry in entries] == [6, 8]
    # All images of the two batches that make a step.
    assert all(len(entry['names']) == 4 for entry in entries)
    for path in tmp_path.glob('*.pth'):
        assert finite(path), path
    assert read_checkpoint(tmp_path / 'iter_12.pth')['optimizer']['state'][0]['step'] == 4


def test_a_bad_gradient_in_the_last_iteration_spoils_nothing(tmp_path, capsys):
    run(tmp_path, model__network__spoil_gradients_at=[12])
    assert finite(tmp_path / 'final.pth') and finite(tmp_path / 'iter_12.pth')
    rows = score(load_config(TINY, {'work_dir': str(tmp_path)}), tmp_path / 'final.pth')
    assert all(torch.tensor(row.psnr).isfinite() for row in rows)


def test_a_bad_loss_is_left_out_like_a_bad_gradient(tmp_path):
    run(tmp_path, model__network__spoil_at=7)
    assert finite(tmp_path / 'final.pth')
    scalars = read_checkpoint(tmp_path / 'iter_12.pth')['message_hub']['log_scalars']
    assert len(scalars['train/loss'][0]) == 11


def test_too_many_in_a_row_end_the_training_and_leave_a_state(tmp_path):
    spoilt = {'model__network__spoil_gradients_at': list(range(5, 13))}
    limit = {'default_hooks__finite_steps': {'type': 'FiniteStepsHook', 'limit': 3}}
    with pytest.raises(
        DivergenceError, match='iteration 10 the gradient was not finite 3 times'
    ) as caught:
        run(tmp_path, **spoilt, **limit)
    assert caught.value.exit_code == 3
    assert finite(tmp_path / 'iter_8.pth') and not (tmp_path / 'final.pth').exists()
    state = torch.load(tmp_path / 'diverged_iter_10.pt', weights_only=True)
    assert state['batch']['image'].shape == (2, 3, 16, 16)
    assert 'network.layers.0.weight' in state['bad_gradients']
    # The count goes on where the training does.
    with pytest.raises(DivergenceError, match='iteration 10'):
        run(tmp_path, 'auto', **limit, model__network__spoil_gradients_at=list(range(1, 13)))
    run(tmp_path, 'auto', **limit)
    assert finite(tmp_path / 'final.pth')


def test_weights_that_are_not_finite_end_it_at_once(tmp_path):
    """A learning rate that throws them out: the gradients before were finite."""
    with pytest.raises(DivergenceError, match='were not finite'):
        run(
            tmp_path,
            optim_wrapper__optimizer={'type': 'SGD', 'lr': 1e38},
            param_scheduler=None,
            ema=None,
        )
    assert all(finite(path) for path in tmp_path.glob('*.pth'))
    assert list(tmp_path.glob('diverged_iter_*.pt'))


def test_no_bad_number_is_called_a_checkpoint(tmp_path):
    good = {'state_dict': {'a': torch.ones(2)}}
    write_checkpoint(good, tmp_path / 'a.pth')
    for key in ('state_dict', 'ema_state_dict', 'optimizer'):
        bad = good | {key: {'a': torch.tensor([1.0, NAN])}}
        with pytest.raises(DivergenceError, match=rf'{key}\.a is not finite'):
            write_checkpoint(bad, tmp_path / 'a.pth')
    assert finite(tmp_path / 'a.pth')


def test_bad_weights_are_neither_tested_nor_started_from(tmp_path):
    run(tmp_path / 'a', train_cfg__max_iters=4)
    content = read_checkpoint(tmp_path / 'a/final.pth')
    content['state_dict']['network.layers.0.bias'][0] = NAN
    torch.save(content, tmp_path / 'bad.pth')
    with pytest.raises(
        ValueError, match=r'diverged: 1 of its .* not finite \(network.layers.0.bias'
    ):
        score(load_config(TINY, {'work_dir': str(tmp_path / 'b')}), tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match='diverged'):
        run(tmp_path / 'c', load_from=str(tmp_path / 'bad.pth'))


def test_the_old_file_goes_when_the_new_one_has_come(tmp_path, monkeypatch):
    seen = []
    compat.init()
    config = load_config(
        TINY,
        {'work_dir': str(tmp_path), 'val_dataloader': None, 'val_cfg': None, 'val_evaluator': None},
    )
    runner = prepare_training(config).runner()
    save = runner.save_checkpoint

    def watched(*given, **options):
        before = sorted(file.name for file in tmp_path.glob('iter_*'))
        save(*given, **options)
        seen.append((before, sorted(file.name for file in tmp_path.glob('iter_*'))))

    monkeypatch.setattr(runner, 'save_checkpoint', watched)
    runner.train()
    assert seen[2] == (['iter_4.pth', 'iter_8.pth'], ['iter_12.pth', 'iter_4.pth', 'iter_8.pth'])
    assert sorted(file.name for file in tmp_path.glob('iter_*')) == ['iter_12.pth', 'iter_8.pth']


def weights(values, gradients):
    weight = torch.nn.Parameter(torch.tensor(values))
    weight.grad = torch.tensor(gradients)
    return weight


@pytest.mark.parametrize(
    'clip',
    [
        {'max_norm': 1.0},
        {'max_norm': 0.5, 'norm_type': 1},
        {'type': 'value', 'clip_value': 0.1},
        None,
    ],
)
def test_a_good_step_is_mmengines(clip):
    from mmengine.optim import OptimWrapper as Plain

    results = []
    for kind in (OptimWrapper, Plain):
        weight = weights([1.0, 2.0], [3.0, 4.0])
        kind(torch.optim.SGD([weight], 0.1), clip_grad=clip and dict(clip)).step()
        results.append(weight.detach())
    assert torch.equal(*results)


def test_float16_counts_what_its_scaler_leaves_out(monkeypatch):
    monkeypatch.setattr(
        'mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available', lambda: True
    )
    weight = weights([1.0], [0.0])
    with pytest.warns(Warning):
        wrapper = AmpOptimWrapper(
            optimizer=torch.optim.SGD([weight], 1.0), clip_grad={'max_norm': 1.0}
        )
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    wrapper.update_params((weight * float('inf')).sum())
    assert (weight.item(), wrapper.loss_scaler.get_scale()) == (1.0, 2.0)
    assert wrapper.fault is not None
    wrapper.update_params(weight.sum())
    assert weight.item() == pytest.approx(0, abs=1e-5)  # the gradient is cut to nearly 1
    assert wrapper.fault is None


SPIKES = {'optim_wrapper__spikes': {'least': 2}}


def skipped(work_dir):
    lines = (work_dir / 'skipped.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines if line]


def weights_of(work_dir):
    return read_checkpoint(work_dir / 'iter_12.pth')['state_dict']


def test_a_spike_of_the_machine_costs_nothing(tmp_path, capsys):
    """The step is repeated, and then as it would have been."""
    run(tmp_path / 'whole', model__network__norm=False, **SPIKES)
    run(tmp_path / 'spike', model__network__norm=False, model__network__spike_at=[7], **SPIKES)
    said = capsys.readouterr().err
    assert 'WARNING: Iteration 8: the gradient' in said
    assert 'times the largest of the last 3 steps. It did not come again' in said
    (entry,) = skipped(tmp_path / 'spike')
    assert (entry['iteration'], entry['again'], len(entry['names'])) == (8, False, 4)
    for name, weight in weights_of(tmp_path / 'whole').items():
        torch.testing.assert_close(weights_of(tmp_path / 'spike')[name], weight, rtol=0, atol=0)


def test_a_spike_of_the_images_is_left_out(tmp_path, capsys):
    # Calls 7 and 8 are the step, 9 and 10 are its repetition.
    run(tmp_path, model__network__norm=False, model__network__spike_at=[7, 9], **SPIKES)
    output = capsys.readouterr()
    assert 'It came again when the step was repeated, the same: these images do it' in output.err
    assert '1 steps were left out' in output.out
    (entry,) = skipped(tmp_path)
    assert entry['again'] and entry['spike'].startswith('the gradient')
    assert read_checkpoint(tmp_path / 'iter_12.pth')['optimizer']['state'][0]['step'] == 5


def test_spikes_without_end_end_the_training(tmp_path):
    spikes = {'model__network__spike_at': list(range(7, 99))}
    limit = {'default_hooks__finite_steps': {'type': 'FiniteStepsHook', 'limit': 2}}
    with pytest.raises(
        DivergenceError, match='left out 2 times in a row; optim_wrapper.spikes=null'
    ):
        run(tmp_path, **spikes, **limit, **SPIKES)
    assert not list(tmp_path.glob('iter_12*'))


def test_who_wants_spikes_gets_them(tmp_path):
    run(tmp_path, model__network__spike_at=[7], optim_wrapper__spikes=None)
    assert not (tmp_path / 'skipped.jsonl').exists()


def test_a_resumed_training_knows_what_steps_were(tmp_path, capsys):
    run(tmp_path, train_cfg__max_iters=6, **SPIKES)
    # The first call after it.
    run(tmp_path, resume='auto', model__network__spike_at=[1], **SPIKES)
    assert 'of the last 3 steps. It did not come again' in capsys.readouterr().err
