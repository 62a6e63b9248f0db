"""Steps as CUDA graphs: the same training, and steps as ever wherever they cannot be one."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from irbox.config.load_config import load_config
from irbox.engine import captured_step
from irbox.engine.captured_step import CapturedStep
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.hooks import capture_hook
from irbox.engine.hooks.capture_hook import CaptureHook
from irbox.engine.optim import AmpOptimWrapper, AutocastOptimWrapper, OptimWrapper
from irbox.engine.train import train
from irbox.engine.wrapping import check_wrapping
from irbox.registry import MODELS
from irbox.utils.cuda_graph import Recording
from support.paths import CONFIGS, TINY
from support.small_model import NAMES, small_config


def model_of(losses=None, device='cpu', **network):
    torch.manual_seed(0)
    config = small_config(**network)['model']
    config['losses'] = losses or {
        'pixel': {'type': 'L1Loss'},
        'balance': {'type': 'BalanceLoss'},
        'label': {'type': 'DegradationLabelLoss', 'names': NAMES},
    }
    return MODELS.build(config).to(device).train()


def wrapper_of(model, kind=OptimWrapper, **options):
    return kind(optimizer=torch.optim.AdamW(model.parameters(), lr=1e-2), **options)


def batch(seed, count=2, side=16):
    generator = torch.Generator().manual_seed(seed)
    image, target = (torch.rand(count, 3, side, side, generator=generator) for _ in range(2))
    labels = [NAMES[(seed + one) % len(NAMES)] for one in range(count)]
    return {'image': image, 'target': target, 'label': labels, 'name': ['a'] * count}


class FakeGraphs:
    """Records as a device does: what was recorded reads and writes the same memory each time."""

    def __init__(self, model):
        self.parts, self.weights = list(model.modules()), list(model.parameters())
        self.recorded = self.replayed = 0

    def __call__(self, run, device, beside=None):
        self.recorded += 1
        state = torch.get_rng_state()
        run()  # to warm up
        answer = run()
        torch.set_rng_state(state)
        kept = [answer.losses, *answer.gradients]
        for one in kept:
            if one is not None:
                one.fill_(torch.nan)  # nothing is computed while a graph is recorded

        # What a graph reads of labels are the tensors that losses took while it was recorded.
        wants = [
            (part, vars(part)['wanted_of_labels'])
            for part in self.parts
            if 'wanted_of_labels' in vars(part)
        ]

        def play():
            self.replayed += 1
            given = [weight.grad for weight in self.weights]
            with captured_step._wanting([(part, wanted()) for part, wanted in wants]):
                again = run()
            for old, new in zip(kept, [again.losses, *again.gradients], strict=True):
                if old is not None:
                    old.copy_(new)
            for weight, grad in zip(self.weights, given, strict=True):
                weight.grad = grad

        return Recording(answer, play)


def captured(model, monkeypatch, **options):
    monkeypatch.setattr(captured_step, 'DEVICES', ('cpu', 'cuda'))
    graphs = FakeGraphs(model)
    return CapturedStep(model, recorder=graphs, **options), graphs


def steps(step, wrapper, batches):
    found = []
    for number, one in enumerate(batches):
        torch.manual_seed(number)
        found.append(step(one, wrapper))
    return found


def both_ways(monkeypatch, batches, losses=None, kind=OptimWrapper, **options):
    """Train two models alike, one by graphs; gives losses, models and graphs."""
    plain, other = model_of(losses), model_of(losses)
    step, graphs = captured(other, monkeypatch)
    expected = steps(
        lambda one, wrapper: plain.train_step(one, optim_wrapper=wrapper),
        wrapper_of(plain, kind, **options),
        batches,
    )
    return expected, steps(step, wrapper_of(other, kind, **options), batches), plain, other, graphs


@pytest.mark.parametrize('kind', [OptimWrapper, AutocastOptimWrapper])
@pytest.mark.parametrize('accumulative_counts', [1, 2, 3])
def test_a_training_is_the_same(monkeypatch, kind, accumulative_counts):
    """Losses, labels of each batch, clipping and sums of gradients; weights in the end."""
    expected, found, plain, other, graphs = both_ways(
        monkeypatch,
        [batch(seed) for seed in range(6)],
        kind=kind,
        accumulative_counts=accumulative_counts,
        clip_grad={'max_norm': 0.1},
    )
    for one, right in zip(found, expected, strict=True):
        assert list(one) == list(right)
        for name, value in right.items():
            torch.testing.assert_close(one[name], value.detach(), rtol=0, atol=1e-6)
    start = model_of()
    for (name, one), right, first in zip(
        other.named_parameters(), plain.parameters(), start.parameters(), strict=True
    ):
        assert torch.equal(one, first) == torch.equal(right, first), name
        torch.testing.assert_close(one, right, rtol=0, atol=1e-5)
    assert (graphs.recorded, graphs.replayed) == (1, 5)


def test_each_size_is_captured_at_its_second_step(monkeypatch):
    sizes = [(2, 16), (2, 16), (1, 16), (2, 16), (1, 16), (1, 24), (1, 16)]
    batches = [batch(seed, *size) for seed, size in enumerate(sizes)]
    expected, found, _, _, graphs = both_ways(monkeypatch, batches)
    assert (graphs.recorded, graphs.replayed) == (2, 4)
    for one, right in zip(found, expected, strict=True):
        torch.testing.assert_close(one['loss'], right['loss'].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ('sizes', 'recorded'),
    [
        # More in turn than are kept: the last stays without.
        ([8, 16, 24, 32, 40] * 3, 4),
        # One after the other: what is not taken any more makes room.
        ([8] * 2 + [16] * 2 + [24] * 2 + [32] * 2 + [40] * 12, 5),
    ],
)
def test_sizes_are_not_recorded_for_ever(monkeypatch, sizes, recorded):
    model = model_of()
    step, graphs = captured(model, monkeypatch)
    steps(step, wrapper_of(model), [batch(0, 1, side) for side in sizes])
    assert graphs.recorded == recorded


def test_losses_are_kept_from_further_steps(monkeypatch):
    model = model_of()
    step, _ = captured(model, monkeypatch)
    found = steps(step, wrapper_of(model), [batch(seed) for seed in range(4)])
    values = [one['loss_pixel'].item() for one in found]
    assert len(set(values)) == 4 and np.isfinite(values).all()
    assert not any(value.requires_grad for one in found for value in one.values())


def test_the_last_batches_count_as_much_as_they_are(monkeypatch):
    """mmengine divides what is left at the end by its own number: another graph, or none."""
    plain, other = model_of(), model_of()
    step, graphs = captured(other, monkeypatch)
    batches = [batch(seed) for seed in range(5)]
    wrappers = [wrapper_of(one, accumulative_counts=2) for one in (plain, other)]
    for wrapper, model in zip(wrappers, (plain, other), strict=True):
        wrapper.initialize_count_status(model, 0, 5)
    steps(lambda one, wrapper: plain.train_step(one, optim_wrapper=wrapper), wrappers[0], batches)
    steps(step, wrappers[1], batches)
    assert graphs.replayed == 3
    for one, right in zip(other.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, right, rtol=0, atol=1e-5)


def test_buffers_and_generators_are_as_after_one_step(monkeypatch):
    class Counting(nn.Module):
        compares_images = True

        def __init__(self):
            super().__init__()
            self.register_buffer('calls', torch.zeros(()))

        def forward(self, restored, target, context):
            self.calls += 1
            return (restored - target).square().mean()

    model = model_of({'pixel': {'type': 'L1Loss'}})
    model.losses['counting'] = Counting()
    step, graphs = captured(model, monkeypatch)
    wrapper = wrapper_of(model)
    steps(step, wrapper, [batch(seed) for seed in range(2)])
    assert graphs.recorded == 1
    assert model.losses['counting'].calls == 2


def refused(monkeypatch, model):
    """Take steps that cannot be captured; gives what the log says."""
    said = []
    monkeypatch.setattr(captured_step, 'print_log', lambda text, logger: said.append(text))
    step, graphs = captured(model, monkeypatch)
    found = steps(step, wrapper_of(model), [batch(seed) for seed in range(4)])
    assert graphs.replayed == 0
    assert all(torch.isfinite(one['loss']) for one in found)
    assert len(said) == 1
    return said[0]


class Reading(nn.Module):
    def __init__(self, read):
        super().__init__()
        self.read = read

    def forward(self, restored, target, context):
        self.read(context)
        return (restored - target).abs().mean()


@pytest.mark.parametrize(
    ('read', 'said'),
    [
        (lambda context: 'haze' in context.labels, "'label' of a batch"),
        (lambda context: context.labels[0], "'label' of a batch"),
        (lambda context: context.labels.count('haze'), "'label' of a batch"),
        (lambda context: random.random(), 'random numbers are drawn on the host'),
        (lambda context: np.random.rand(), 'random numbers are drawn on the host'),
    ],
)
def test_what_cannot_be_captured_is_said_once(monkeypatch, read, said):
    model = model_of({'pixel': {'type': 'L1Loss'}})
    model.losses['reading'] = Reading(read)
    text = refused(monkeypatch, model)
    assert 'launched kernel by kernel' in text and said in text


def test_what_is_watched_runs_as_ever(monkeypatch):
    model = model_of()
    step, graphs = captured(model, monkeypatch)
    wrapper = wrapper_of(model)
    handle = model.network.output.register_forward_hook(lambda *_: None)
    steps(step, wrapper, [batch(seed) for seed in range(3)])
    assert graphs.recorded == 0
    handle.remove()
    steps(step, wrapper, [batch(seed) for seed in range(3)])
    assert graphs.recorded == 1
    weight = next(iter(model.parameters()))
    handle = weight.register_hook(lambda grad: grad)
    played = graphs.replayed
    steps(step, wrapper, [batch(0)])
    assert graphs.replayed == played


def test_on_a_cpu_steps_are_taken_as_ever():
    model = model_of()
    said = []
    runner = SimpleNamespace(
        model=model,
        optim_wrapper=wrapper_of(model),
        logger=SimpleNamespace(info=said.append),
    )
    hook = CaptureHook()
    hook.before_train(runner)
    assert 'no CUDA graphs on cpu' in said[0]
    assert 'train_step' not in vars(model)
    hook.on_exit(runner)


def test_a_training_with_the_switch_on_a_cpu(tmp_path):
    found = []
    for captures in (False, True):
        options = {'work_dir': str(tmp_path / str(captures)), 'capture_steps': captures}
        assert train(load_config(TINY, options)) == 0
        found.append(read_checkpoint(tmp_path / str(captures) / 'iter_12.pth')['state_dict'])
        log = next((tmp_path / str(captures)).rglob('*.log')).read_text()
        assert ('there are no CUDA graphs on cpu' in log) == captures
        assert ('captured as CUDA graphs' in log) == captures
    assert all(torch.equal(found[0][name], value) for name, value in found[1].items())


def test_a_model_gets_its_own_step_back(monkeypatch):
    monkeypatch.setattr(capture_hook, 'DEVICES', ('cpu',))
    model = model_of()
    names = list(model.state_dict())
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper_of(model))
    hook = CaptureHook()
    hook.before_train(runner)
    assert isinstance(model.train_step, CapturedStep)
    assert list(model.state_dict()) == names
    hook.on_exit(runner)
    assert 'train_step' not in vars(model)


def test_what_takes_steps_in_its_own_way_is_refused():
    class Own(nn.Linear):
        def train_step(self, data, optim_wrapper):
            raise NotImplementedError

    with pytest.raises(ValueError, match='Own takes its steps in its own way'):
        CapturedStep(Own(2, 2))
    model = model_of()

    class Scaled(AmpOptimWrapper):
        def __init__(self):
            pass

    runner = SimpleNamespace(model=model, optim_wrapper=Scaled())
    with pytest.raises(ValueError, match='Scaled scales gradients'):
        CaptureHook().before_train(runner)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'launcher': 'pytorch'}, 'several processes'),
        ({'amp': 'fp16'}, 'float16'),
        ({'compile_blocks': True}, 'compile_blocks do not go together'),
        ({'recompute_blocks': True}, 'recompute_blocks do not go together'),
    ],
)
def test_what_does_not_go_together(options, said):
    check_wrapping(options)
    with pytest.raises(ValueError, match=said):
        check_wrapping({'capture_steps': True} | options)


def test_the_switch_is_one():
    assert load_config(CONFIGS / 'm2ir_demo.py', {'capture_steps': True}).capture_steps is True
    with pytest.raises(ValueError, match='capture_steps: .* must be true or false'):
        load_config(CONFIGS / 'm2ir_demo.py', {'capture_steps': 'auto'})
