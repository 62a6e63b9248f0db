"""What the tests of the published systems share: their files, and a training step."""

import copy
import sys

import torch

import irbox
from irbox.config import load_plugins
from irbox.config.load_config import load_config
from irbox.registry import MODELS
from support.m2restore_file import _block as transformer_block
from support.paths import ROOT

CONFIGS = ROOT / 'configs/plugins'
TINY = {'dim': 8, 'depths': [2, 1, 1, 2], 'refinement': 1}
NARROWEST = {'MIRAGE': 6, 'Histoformer': 12}
"""Networks whose widths must divide by more than 8 does."""


def shrink(network):
    """Make the config of a network one of a block a level, 8 channels wide where it can be."""
    small = {
        'dim': NARROWEST.get(network['type'], 8),
        'depths': [1] * len(network['depths']),
        'decoder_depths': [1] * (len(network['depths']) - 1),
        'refinement': 1,
    }
    network.update({name: value for name, value in small.items() if name in network})


def plugin(name):
    """Load a plug-in, and give it as a module."""
    load_plugins([ROOT / 'plugins' / name])
    file = ROOT / 'plugins' / name
    files = {str(file), str(file / '__init__.py')}
    return next(m for m in sys.modules.values() if getattr(m, '__file__', None) in files)


def build(name, network=None, device='cpu'):
    config = load_config(CONFIGS / name, sections=['model']).to_dict()
    config['model']['network'] |= network or {}
    with torch.device(device):
        return irbox.build_network(config)


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def stirred(module):
    """Every weight moved, so that nothing hides behind a zero."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return module


def restormer_shapes(dim, depths, heads, refinement):
    """Keys and shapes of a published file that is a Restormer (section 1)."""
    yield 'patch_embed.proj.weight', (dim, 3, 3, 3)
    for level in range(3):
        width = dim * 2**level
        for i in range(depths[level]):
            yield from transformer_block(f'encoder_level{level + 1}.{i}', width, heads[level])
            wide = 2 * width if level == 0 else width
            yield from transformer_block(f'decoder_level{level + 1}.{i}', wide, heads[level])
    for i in range(depths[3]):
        yield from transformer_block(f'latent.{i}', 8 * dim, heads[3])
    for i in range(refinement):
        yield from transformer_block(f'refinement.{i}', 2 * dim, heads[0])
    for name, width, out in (
        ('down1_2', dim, dim // 2),
        ('down2_3', 2 * dim, dim),
        ('down3_4', 4 * dim, 2 * dim),
        ('up4_3', 8 * dim, 16 * dim),
        ('up3_2', 4 * dim, 8 * dim),
        ('up2_1', 2 * dim, 4 * dim),
    ):
        yield f'{name}.body.0.weight', (out, width, 3, 3)
    yield 'reduce_chan_level3.weight', (4 * dim, 8 * dim, 1, 1)
    yield 'reduce_chan_level2.weight', (2 * dim, 4 * dim, 1, 1)
    yield 'output.weight', (3, 2 * dim, 3, 3)


def weight(shape):
    """Random, of the size that keeps the answers of a layer near 1."""
    return torch.randn(shape) / max(torch.Size(shape[1:]).numel(), 1) ** 0.5


def loads_whole(network, convert, shapes):
    """A file of these shapes loads strictly, each of its tensors is used once, and each counts."""
    file = {f'net.{name}': weight(shape) for name, shape in shapes.items()}
    for name, tensor in file.items():
        if name.endswith('running_var'):
            file[name] = 0.5 + tensor.abs()
        elif name.endswith('num_batches_tracked'):
            file[name] = torch.tensor(7)
    own = convert(file, network)
    network.load_state_dict(own, strict=True)
    assert len(own) == len(file)
    sums = sorted(tensor.double().sum().item() for tensor in file.values())
    assert sums == sorted(t.double().sum().item() for t in own.values())
    return {name.removeprefix('net.'): tensor for name, tensor in file.items()}, own


def trains(name):
    """One training step at small width."""
    config = load_config(CONFIGS / name)
    for section in ('model', 'train_dataloader', 'val_dataloader', 'train_cfg', 'optim_wrapper'):
        assert config.get(section), f'{name} has no {section}'
    model = config.to_dict()['model']
    shrink(model['network'])
    restorer = MODELS.build(model).train()
    trainable = {n: p for n, p in restorer.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(trainable.values(), lr=1e-3)
    image, target = torch.rand(2, 3, 16, 24), torch.rand(2, 3, 16, 24)
    losses = restorer(image, target, ['haze', 'rain'], ['a', 'b'], mode='loss')
    assert set(losses) == {f'loss_{key}' for key, loss in model['losses'].items() if loss}
    total = sum(losses.values())
    total.backward()
    waiting = [n for n, p in trainable.items() if p.grad is None]
    # Distributed training waits for the gradient of every weight, unless it is told to look.
    assert bool(waiting) == config.get('find_unused_parameters', False), waiting
    before = copy.deepcopy(restorer.state_dict())
    optimizer.step()
    after = restorer.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(value, before[key]) for key, value in after.items())
    restored = restorer.eval()(image, mode='predict')
    assert [one['restored'].shape for one in restored] == 2 * [(3, 16, 24)]


def keeps_its_promises(network, close=1e-5):
    """Odd sizes, the same answer again and in a batch; weights without and with zero gradient."""
    stirred(network).eval()
    for size in ((17, 23), (8, 8), (3, 40)):
        image = torch.rand(3, 3, *size)
        with torch.no_grad():
            together = network(image)
            assert together.shape == image.shape and together.isfinite().all()
            assert torch.equal(network(image), together)
            alone = torch.cat([network(one[None]) for one in image])
        torch.testing.assert_close(together, alone, atol=close, rtol=close)
    trainable = {n: p for n, p in network.train().named_parameters() if p.requires_grad}
    network(torch.rand(2, 3, 40, 48)).square().sum().backward()
    without = {n for n, p in trainable.items() if p.grad is None}
    return without, {n for n, p in trainable.items() if n not in without and not p.grad.any()}
