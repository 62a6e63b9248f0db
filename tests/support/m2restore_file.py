"""A file with the keys and shapes of M2Restore's released checkpoint, and random weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Shapes = Iterator[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Sizes:
    """What the composition leaves open; by default as released."""

    dim: int = 48
    depths: tuple[int, ...] = (4, 6, 6, 8)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    refinement: int = 4
    num_prompts: int = 32
    prompt_dim: int = 256
    hidden: int = 64
    num_experts: int = 6
    num_degradations: int = 6
    feature_dim: int = 512


RELEASED = Sizes()
TINY = Sizes(
    dim=8,
    depths=(2, 1, 1, 2),
    refinement=1,
    num_prompts=5,
    prompt_dim=12,
    hidden=7,
    feature_dim=10,
)
"""A network of seconds on one core; as narrow as its AFLBs allow."""


def tiny_network() -> dict[str, Any]:
    """What to change in the config of a network to get ``TINY``, with nothing pretrained."""
    prior = {'num_degradations': TINY.num_degradations, 'feature_dim': TINY.feature_dim}
    prompt = {name: getattr(TINY, name) for name in ('num_prompts', 'prompt_dim', 'hidden')}
    return {
        'dim': TINY.dim,
        'depths': list(TINY.depths),
        'heads': list(TINY.heads),
        'refinement': TINY.refinement,
        'prior': {'_delete_': True, 'type': 'FrozenRandomPrior', **prior},
        'prompt': prompt,
    }


def released_shapes(sizes: Sizes = RELEASED) -> dict[str, tuple[int, ...]]:
    """Every key of the released network, without the leading ``net.``, and its shape."""
    return dict(_network(sizes))


def released_weights(sizes: Sizes = RELEASED, seed: int = 0) -> dict[str, Tensor]:
    """Random weights with which every part of the network shows in its answer."""
    generator = torch.Generator().manual_seed(seed)
    return {key: _weight(key, shape, generator) for key, shape in released_shapes(sizes).items()}


def write_m2restore_file(
    path: Path, sizes: Sizes = RELEASED, seed: int = 0, **more: Any
) -> dict[str, Tensor]:
    """Write a file as Lightning would: the network, some of DA-CLIP, and what training keeps.

    Args:
        path: Where.
        sizes: Of the network.
        seed: Of the weights.
        more: Further entries beside ``state_dict``, or in place of the usual ones.

    Returns:
        The network's weights, as ``released_weights`` gives them.
    """
    weights = released_weights(sizes, seed)
    state = {f'net.{key}': weight for key, weight in weights.items()}
    state |= {
        'daclip.logit_scale': torch.tensor(4.6),
        'daclip.visual.conv1.weight': torch.ones(4, 3, 2, 2),
        'daclip.visual_control.conv1.weight': torch.ones(4, 3, 2, 2),
        'daclip.positional_embedding': torch.ones(77, 4),
    }
    content = {
        'epoch': 199,
        'global_step': 123_456,
        'pytorch-lightning_version': '2.0.1',
        'state_dict': state,
        'loops': {'fit_loop': {'state_dict': {}, 'epoch_progress': {'current': {'ready': 200}}}},
        'callbacks': {"ModelCheckpoint{'monitor': None}": {'best_model_path': 'a.ckpt'}},
        'optimizer_states': [{'state': {0: {'step': torch.tensor(1.0)}}, 'param_groups': []}],
        'lr_schedulers': [{'base_lrs': [2e-4], 'last_epoch': 200}],
        'hparams_name': 'opt',
        'hyper_parameters': {'lr': 2e-4, 'patch_size': 224, 'de_type': ['derain']},
    }
    torch.save(content | more, path)
    return weights


def _network(sizes: Sizes) -> Shapes:
    dim, depths, heads = sizes.dim, sizes.depths, sizes.heads
    yield 'patch_embed.proj.weight', (dim, 3, 3, 3)
    for level in range(3):
        width = dim * 2**level
        for i in range(depths[level]):
            yield from _block(f'encoder_level{level + 1}.{i}', width, heads[level])
            decoder = (2 * width if level == 0 else width), heads[level]
            yield from _block(f'decoder_level{level + 1}.{i}', *decoder)
        yield from _router(f'mcdb{level + 1}', width, sizes)
        yield from _frequency(f'fre{level + 1}', dim * 2 ** (3 - level))
    for i in range(depths[3]):
        yield from _mamba_cnn(f'latent.{i}', 8 * dim, sizes.feature_dim)
    for i in range(sizes.refinement):
        yield from _block(f'refinement.{i}', 2 * dim, heads[0])
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
    hidden, prompts = sizes.hidden, sizes.num_prompts
    for i, shape in (
        (0, (hidden, 3, 3, 3)),
        (2, (hidden, hidden, 3, 3)),
        (4, (hidden, hidden, 1, 1)),
        (6, (hidden, hidden, 1, 1)),
        (8, (prompts, hidden, 1, 1)),
    ):
        yield from _layer(f'task_prompt.CondNet.{i}', shape)
    yield from _layer('task_prompt.lastOut', (prompts, prompts))
    yield 'task_prompt.dictionary', (prompts, sizes.prompt_dim)


def _layer(name: str, shape: tuple[int, ...]) -> Shapes:
    yield f'{name}.weight', shape
    yield f'{name}.bias', shape[:1]


def _feed_forward(name: str, width: int) -> Shapes:
    hidden = int(2.66 * width)
    yield f'{name}.project_in.weight', (2 * hidden, width, 1, 1)
    yield f'{name}.dwconv.weight', (2 * hidden, 1, 3, 3)
    yield f'{name}.project_out.weight', (width, hidden, 1, 1)


def _block(name: str, width: int, heads: int) -> Shapes:
    yield from _layer(f'{name}.norm1.body', (width,))
    yield f'{name}.attn.temperature', (heads, 1, 1)
    yield f'{name}.attn.qkv.weight', (3 * width, width, 1, 1)
    yield f'{name}.attn.qkv_dwconv.weight', (3 * width, 1, 3, 3)
    yield f'{name}.attn.project_out.weight', (width, width, 1, 1)
    yield from _layer(f'{name}.norm2.body', (width,))
    yield from _feed_forward(f'{name}.ffn', width)


def _mamba_cnn(name: str, width: int, feature_dim: int) -> Shapes:
    inner, rank, states = 2 * width, math.ceil(width / 16), 16
    yield from _layer(f'{name}.norm1.body', (width,))
    yield from _layer(f'{name}.ssm.norm', (width,))
    yield f'{name}.ssm.mamba.A_log', (inner, states)
    yield f'{name}.ssm.mamba.D', (inner,)
    yield f'{name}.ssm.mamba.in_proj.weight', (2 * inner, width)
    yield from _layer(f'{name}.ssm.mamba.conv1d', (inner, 1, 4))
    yield f'{name}.ssm.mamba.x_proj.weight', (rank + 2 * states, inner)
    yield from _layer(f'{name}.ssm.mamba.dt_proj', (inner, rank))
    yield f'{name}.ssm.mamba.out_proj.weight', (width, inner)
    yield from _layer(f'{name}.ssm.norm2', (width,))
    yield from _layer(f'{name}.ssm.conv_path.0', (width, 1, 3, 3))
    yield from _layer(f'{name}.ssm.prompt_proj.0', (4 * width, feature_dim))
    yield from _layer(f'{name}.ssm.prompt_proj.2', (width, 4 * width))
    yield from _layer(f'{name}.ssm.gate_net.0', (width, 2 * width, 1, 1))
    yield from _layer(f'{name}.ssm.gate_net.2', (1, width, 1, 1))
    yield from _layer(f'{name}.norm2.body', (width,))
    yield from _feed_forward(f'{name}.ffn', width)


def _router(name: str, width: int, sizes: Sizes) -> Shapes:
    experts, hidden = sizes.num_experts, int(2.66 * width)
    yield from _layer(f'{name}.fc', (width, sizes.prompt_dim))
    yield f'{name}.model.w_g', (2 * width, experts)
    yield f'{name}.model.w_n', (2 * width, experts)
    yield f'{name}.model.gate_boost', ()
    yield f'{name}.model.mean', (1,)
    yield f'{name}.model.std', (1,)
    yield from _layer(f'{name}.model.degra_proj', (experts, sizes.num_degradations))
    for i in range(experts):
        yield from _layer(f'{name}.model.el.{i}.fc1', (hidden, width))
        yield from _layer(f'{name}.model.el.{i}.fc2', (width, hidden))


def _frequency(name: str, width: int) -> Shapes:
    yield f'{name}.para1', (width, 1, 1)
    yield f'{name}.para2', (width, 1, 1)
    yield f'{name}.conv.weight', (width, 3, 3, 3)
    yield f'{name}.conv1.weight', (width, 3, 3, 3)
    yield from _layer(f'{name}.score_gen', (2, 2, 7, 7))
    yield f'{name}.rate_conv.0.weight', (width // 8, width, 1, 1)
    yield f'{name}.rate_conv.2.weight', (2, width // 8, 1, 1)
    for band in ('l', 'h', 'agg'):
        cross = f'{name}.channel_cross_{band}'
        yield f'{cross}.temperature', (4, 1, 1)
        yield f'{cross}.q.weight', (width, width, 1, 1)
        yield f'{cross}.q_dwconv.weight', (width, 1, 3, 3)
        yield f'{cross}.kv.weight', (2 * width, width, 1, 1)
        yield f'{cross}.kv_dwconv.weight', (2 * width, 1, 3, 3)
        yield f'{cross}.project_out.weight', (width, width, 1, 1)
    refine = f'{name}.frequency_refine'
    yield f'{refine}.SpatialGate.spatial.weight', (1, 2, 7, 7)
    yield f'{refine}.ChannelGate.mlp.0.weight', (width // 16, width, 1, 1)
    yield f'{refine}.ChannelGate.mlp.2.weight', (width, width // 16, 1, 1)
    yield from _layer(f'{refine}.proj', (width, width, 1, 1))


def _weight(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator)
    last = key.rsplit('.', 1)[-1]
    if key.endswith('.model.mean'):
        return torch.zeros(shape)
    if key.endswith('.model.std'):
        return torch.ones(shape)
    if last == 'A_log':
        return torch.arange(1, shape[-1] + 1).log() + 0.1 * noise
    if key.endswith('dt_proj.bias'):
        return noise - 3
    if last in ('temperature', 'D', 'para2', 'gate_boost') or (last == 'weight' and len(shape) < 2):
        return 1 + 0.3 * noise
    if key.endswith(('fc.bias', 'degra_proj.bias')):
        return 0.1 * noise  # so that pixels differ in their experts
    if last in ('bias', 'para1', 'dictionary', 'w_g', 'w_n'):
        return 0.5 * noise
    return noise / noise[0].numel() ** 0.5
