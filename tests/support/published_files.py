"""Keys and shapes of published files, as the specifications of the peers have them."""

import torch

from support.m2restore_file import _block as transformer_block
from support.m2restore_file import _frequency as frequency_shapes
from support.peers import TINY, restormer_shapes, weight

UNUSED = 215_296
"""Weights of PromptIR's layers that are never called."""


def restormer_file(bias=True, dim=48, depths=(4, 6, 6, 8), refinement=4):
    """Section 1: keys and shapes; the files for denoising have no biases."""
    shapes = dict(restormer_shapes(dim, depths, (1, 2, 4, 8), refinement))
    return {name: shape for name, shape in shapes.items() if bias or not name.endswith('.bias')}


def promptir_file(
    dim=48, depths=(4, 6, 6, 8), refinement=4, prompts=(320, 128, 64), sizes=(16, 32, 64)
):
    """Section 2: keys and shapes, the six layers that are never called included."""
    heads = (1, 2, 4, 8)
    shapes = dict(restormer_shapes(dim, depths, heads, refinement))
    shapes['up4_3.body.0.weight'] = (8 * dim, 4 * dim, 3, 3)
    shapes['reduce_chan_level3.weight'] = (4 * dim, 6 * dim, 1, 1)
    places = zip((3, 2, 1), (8, 4, 2), (4, 4, 2), prompts, sizes, strict=True)
    for k, width, out, prompt, size in places:
        joint = width * dim + prompt
        shapes[f'prompt{k}.prompt_param'] = (1, 5, prompt, size, size)
        shapes[f'prompt{k}.linear_layer.weight'] = (5, width * dim)
        shapes[f'prompt{k}.linear_layer.bias'] = (5,)
        shapes[f'prompt{k}.conv3x3.weight'] = (prompt, prompt, 3, 3)
        shapes |= dict(transformer_block(f'noise_level{k}', joint, 4))
        shapes[f'reduce_noise_level{k}.weight'] = (out * dim, joint, 1, 1)
    return shapes


def promptir_unused():
    """Of the six layers that are never called only the names and the total are known."""
    names = [
        f'{kind}{k}.weight' for kind in ('chnl_reduce', 'reduce_noise_channel_') for k in (1, 2, 3)
    ]
    sizes = [32_000, 33_000, 34_000, 35_000, 36_000, UNUSED - 170_000]
    return {name: (size, 1, 1, 1) for name, size in zip(names, sizes, strict=True)}


def adair_file(dim=48, depths=(4, 6, 6, 8), refinement=4):
    """Section 3: keys and shapes, the layers that are never called included."""
    shapes = dict(restormer_shapes(dim, depths, (1, 2, 4, 8), refinement))
    for number in (1, 2, 3):
        shapes |= dict(frequency_shapes(f'fre{number}', dim * 2 ** (4 - number)))
    return shapes


def moce_ir_file(dim, depths, decoder_depths, refinement):
    """Section 4: keys and shapes; what stands in a body has names of the test's own."""
    heads = (1, 2, 4, 8)

    def layer(name, shape, bias=True):
        yield f'{name}.weight', shape
        if bias:
            yield f'{name}.bias', shape[:1]

    def norms(name, c):
        for number in (0, 1):
            yield from layer(f'{name}.norms.{number}.body', (c,))

    def attention(name, c, h, bias):
        yield f'{name}.temperature', (h, 1, 1)
        yield from layer(f'{name}.qkv', (3 * c, c, 1, 1), bias)
        yield from layer(f'{name}.qkv_dwconv', (3 * c, 1, 3, 3), bias)
        yield from layer(f'{name}.project_out', (c, c, 1, 1), bias)

    def feed_forward(name, c, bias):
        yield from layer(f'{name}.project_in', (4 * c, c, 1, 1), bias)
        yield from layer(f'{name}.dwconv', (4 * c, 1, 3, 3), bias)
        yield from layer(f'{name}.project_out', (c, 2 * c, 1, 1), bias)

    def plain(name, c, h):
        yield from norms(name, c)
        yield from attention(f'{name}.mixer', c, h, True)
        yield from feed_forward(f'{name}.ffn', c, True)

    def routed(name, c, h):
        yield from norms(name, c)
        for number in (0, 1):
            yield from layer(f'{name}.proj.{number}', (c, c, 1, 1))
        yield from attention(f'{name}.shared', c, h, False)
        mixer = f'{name}.mixer'
        yield f'{mixer}.temperature', (h, 1, 1)
        yield f'{mixer}.q.weight', (c, c, 1, 1)
        yield f'{mixer}.q_dwconv.weight', (c, 1, 3, 3)
        yield f'{mixer}.kv.weight', (2 * c, c, 1, 1)
        yield f'{mixer}.kv_dwconv.weight', (2 * c, 1, 7, 7)
        yield f'{mixer}.project_out.weight', (c, c, 1, 1)
        yield from feed_forward(f'{name}.ffn', c, False)
        adapter = f'{name}.adapter'
        for number, r in enumerate((c // 8, c // 4, c // 2, c)):
            expert = f'{adapter}.experts.{number}.0'
            yield f'{expert}.proj.0.weight', (r, c, 1, 1)
            yield f'{expert}.proj.1.weight', (r, c, 1, 1)
            yield f'{expert}.proj.2.weight', (c, r, 1, 1)
            yield f'{expert}.body.a.weight', (r, r, 1, 1)
            yield from layer(f'{expert}.body.b', (r, 1, 3, 3))
            yield f'{expert}.body.c.weight', (2 * r, r, 1, 1)
            yield from layer(f'{expert}.body.d', (2 * r, 1, 7, 7))
            yield from layer(f'{expert}.body.e.body', (r,))
            yield from layer(f'{expert}.body.f', (r, r, 1, 1))
        yield f'{adapter}.proj_out.weight', (c, c, 1, 1)
        yield f'{adapter}.routing.gate.2.weight', (4, c)
        yield f'{adapter}.routing.freq_gate.weight', (4, 8 * dim)

    yield 'patch_embed.proj.weight', (dim, 3, 3, 3)
    yield 'output.weight', (3, dim, 3, 3)
    yield 'freq_embed.high_conv.0.conv.weight', (8 * dim, 1, 3, 3)
    yield from layer('freq_embed.mlp.0', (16 * dim, 8 * dim))
    yield from layer('freq_embed.mlp.2', (8 * dim, 16 * dim))
    for level in range(3):
        c = dim * 2**level
        for i in range(depths[level]):
            yield from plain(f'enc.{level}.0.layers.{i}', c, heads[level])
        yield f'enc.{level}.1.body.0.weight', (c // 2, c, 3, 3)
        up = dim * 2 ** (3 - level)
        yield f'dec.{level}.0.body.0.weight', (2 * up, up, 3, 3)
        yield f'dec.{level}.1.weight', (up // 2, up, 1, 1)
        for i in range(decoder_depths[level]):
            yield from routed(f'dec.{level}.2.layers.{i}', up // 2, heads[2 - level])
    for i in range(depths[3]):
        yield from plain(f'latent.layers.{i}', 8 * dim, heads[3])
    for i in range(refinement):
        yield from plain(f'refinement.layers.{i}', dim, heads[0])


def small_file(system):
    """A file of a system at width 8 with random weights, as its authors lay it out."""
    depths = TINY['depths']
    shapes = {
        'Restormer': lambda: restormer_file(True, 8, depths, 1),
        'Restormer, bias-free': lambda: restormer_file(False, 8, depths, 1),
        'PromptIR': lambda: promptir_file(8, depths, 1, (12, 8, 4), (2, 4, 6)) | promptir_unused(),
        'AdaIR': lambda: adair_file(8, depths, 1),
        'MoCE-IR': lambda: dict(moce_ir_file(8, depths, [1, 1, 2], 1)),
    }[system]()
    torch.manual_seed(0)
    if system.startswith('Restormer'):  # BasicSR's
        return {'params': {key: weight(shape) for key, shape in shapes.items()}}
    weights = {f'net.{key}': weight(shape) for key, shape in shapes.items()}
    return {'state_dict': weights, 'epoch': 3, 'pytorch-lightning_version': '2.0.0'}
