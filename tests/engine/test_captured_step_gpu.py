"""Steps as CUDA graphs on a device: the same gradients and the same training."""

import pytest
import torch

from irbox.benchmark.captured_training import CapturedTraining
from irbox.benchmark.networks import read_network
from irbox.config.load_config import load_config
from irbox.engine import captured_step
from irbox.engine.captured_step import CapturedStep
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.optim import AutocastOptimWrapper, OptimWrapper
from irbox.engine.train import train
from irbox.layers.fused.switch import TRAINING_SWITCH
from irbox.registry import MODELS
from irbox.utils.cuda_graph import record
from support.paths import ROOT, TINY

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
NETWORKS = ['unet', 'm2ir', 'm2restore_official', 'm2restore']
SMALL = {'dim': 16, 'depths': [1, 1, 1, 1], 'refinement': 1}


def network_of(name):
    config = ROOT / f'configs/_base_/models/{name}.yaml'
    small = {f'model.network.{key}': value for key, value in SMALL.items()}
    torch.manual_seed(0)
    network = read_network(str(config), small).build()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network.cuda().train()


def model_of(name):
    config = ROOT / f'configs/_base_/models/{name}.yaml'
    small = {f'model.network.{key}': value for key, value in SMALL.items()}
    content = load_config(config, small, sections=['model']).to_dict()['model']
    content['network'] = read_network(str(config), small).network
    torch.manual_seed(0)
    return MODELS.build(content).cuda().train()


def batch(seed, count=2, side=64):
    generator = torch.Generator().manual_seed(seed)
    image, target = (torch.rand(count, 3, side, side, generator=generator) for _ in range(2))
    return {'image': image, 'target': target, 'label': ['haze'] * count, 'name': ['a'] * count}


def casting(half):
    return torch.autocast('cuda', torch.bfloat16, enabled=half)


def passes(network, image, target, half):
    network.zero_grad(set_to_none=True)
    with casting(half):
        restored = network(image)
    (restored.float() - target).abs().mean().backward()


def gradients(network):
    return [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]


@pytest.mark.parametrize('fused', ['0', '1'])
@pytest.mark.parametrize('name', NETWORKS)
def test_both_passes_wait_for_nothing(name, fused, monkeypatch):
    monkeypatch.setenv(TRAINING_SWITCH, fused)
    network = network_of(name)
    image, target = (torch.rand(2, 3, 64, 72, device='cuda') for _ in range(2))
    passes(network, image, target, True)  # tries kernels
    torch.cuda.set_sync_debug_mode('error')
    try:
        passes(network, image, target, True)
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('fused', ['0', '1'])
@pytest.mark.parametrize('half', [False, True])
@pytest.mark.parametrize('name', NETWORKS)
def test_a_graph_gives_the_gradients_of_single_launches(name, half, fused, monkeypatch):
    """Of the same noise, since a replay draws from the generator as it stands."""
    monkeypatch.setenv(TRAINING_SWITCH, fused)
    network = network_of(name)
    image, target = (torch.rand(2, 3, 64, 72, device='cuda') for _ in range(2))
    expected = []
    for _ in range(2):
        torch.manual_seed(2)
        passes(network, image, target, half)
        expected.append(gradients(network))
    weights = [weight.detach().clone() for weight in network.parameters()]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True, capturable=True)
    training = CapturedTraining(network, optimizer, image, target, lambda: casting(half))
    for one, other in zip(network.parameters(), weights, strict=True):
        assert torch.equal(one, other)
    torch.manual_seed(2)
    training.backward()
    found = gradients(network)
    for one, again, right in zip(found, *expected[::-1], strict=True):
        # Some of torch's own sums have no order: they differ from run to run as well.
        noise = (again - right).norm()
        close = 1e-2 if half else 1e-4
        assert (one - right).norm() <= 3 * noise + close * right.norm() + 1e-9
    # Another image counts, and so does a step.
    image.copy_(torch.rand_like(image))
    torch.manual_seed(2)
    training.backward()
    assert any(not torch.equal(*pair) for pair in zip(found, gradients(network), strict=True))
    training.step()
    moved = [not torch.equal(*pair) for pair in zip(network.parameters(), weights, strict=True)]
    assert sum(moved) > 0.7 * len(moved)


@pytest.mark.parametrize('kind', [OptimWrapper, AutocastOptimWrapper])
@pytest.mark.parametrize('accumulative_counts', [1, 2])
@pytest.mark.parametrize('name', NETWORKS)
def test_a_training_is_the_same(name, accumulative_counts, kind):
    losses, weights = [], []
    for captures in (False, True):
        model = model_of(name)
        wrapper = kind(
            optimizer=torch.optim.AdamW(model.parameters(), lr=1e-4),
            accumulative_counts=accumulative_counts,
            clip_grad={'max_norm': 0.5},
        )
        step = CapturedStep(model)
        found = []
        for number in range(6):
            torch.manual_seed(number)
            if captures:
                found.append(step(batch(number), wrapper))
            else:
                found.append(model.train_step(batch(number), optim_wrapper=wrapper))
        if captures:
            assert not step._trouble
            assert len(step._graphs) == 1
        losses.append([{key: value.item() for key, value in one.items()} for one in found])
        weights.append([weight.detach().clone() for weight in model.parameters()])
    close = 1e-3 if kind is OptimWrapper else 2e-2
    for one, other in zip(*losses, strict=True):
        assert one == pytest.approx(other, rel=close, abs=close)
    for one, other in zip(*weights, strict=True):
        assert (one - other).norm() <= 0.02 * other.norm() + 1e-3


def test_a_whole_training(tmp_path):
    """By the switch, with its loader's threads, validations and averages."""
    found = []
    for captures in (False, True):
        folder = tmp_path / str(captures)
        options = {'work_dir': str(folder), 'capture_steps': captures, 'ema': {}}
        assert train(load_config(TINY, options)) == 0
        found.append(read_checkpoint(folder / 'iter_12.pth'))
        assert 'kernel by kernel' not in next(folder.rglob('*.log')).read_text()
    for key in ('state_dict', 'ema_state_dict'):
        for name, value in found[0][key].items():
            torch.testing.assert_close(found[1][key][name], value, rtol=1e-3, atol=1e-4)


def test_noise_goes_on_after_a_recording_that_fails():
    x = torch.rand(8, device='cuda')
    torch.manual_seed(3)
    expected = torch.randn(8, device='cuda')
    torch.manual_seed(3)
    with pytest.raises(RuntimeError, match='synchroniz'):
        record(lambda: x[x > torch.randn_like(x)], x.device)
    assert torch.equal(torch.randn(8, device='cuda'), expected)
    # One that fails while it is recorded, since the run before it went well.
    runs = []

    def late():
        runs.append(torch.randn_like(x))
        return x.nonzero() if len(runs) == 3 else x

    torch.manual_seed(3)
    with pytest.raises(RuntimeError):
        record(late, x.device)
    assert torch.equal(torch.randn(8, device='cuda'), expected)
    recording = record(lambda: x + torch.randn_like(x), x.device)
    torch.manual_seed(3)
    assert torch.equal(recording.replay(), x + expected)


def test_what_waits_is_taken_as_ever(monkeypatch):
    said = []
    monkeypatch.setattr(captured_step, 'print_log', lambda text, logger: said.append(text))
    model = model_of('unet')
    loss = model.losses['pixel']
    original = type(loss).forward

    def waits(self, restored, target, context):
        return original(self, restored, target, context) + 0 * restored.mean().item()

    monkeypatch.setattr(type(loss), 'forward', waits)
    step = CapturedStep(model)
    wrapper = OptimWrapper(optimizer=torch.optim.AdamW(model.parameters(), lr=1e-4))
    for number in range(4):
        found = step(batch(number), wrapper)
        assert found['loss'].isfinite()
    assert len(said) == 1
    assert 'synchroniz' in said[0]
