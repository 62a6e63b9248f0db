"""Ours and textbook builds give the same, layer by layer and as whole networks."""

import copy

import pytest
import torch
from torch import nn

import irbox
from irbox.blocks import ADEC, DDER, AdaptiveFrequencyBlock, MambaCNNBlock, MSTBlock
from irbox.blocks.mamba_cnn_block import DualBranch
from irbox.blocks.transformer_block import TransformerBlock
from irbox.config.load_config import load_config
from irbox.experts import GatedExpert, GDFNExpert, MLPExpert
from irbox.layers.attention import TransposedAttention
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.depthwise_conv import DepthwiseConv
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.frequency import BandSplit, FrequencyModulation
from irbox.layers.mamba import Mamba
from irbox.layers.mamba_style_attention import MambaStyleAttention
from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.layers.resample import Downsample, Upsample
from irbox.networks.chain import Chain
from irbox.networks.restoration_network import RestorationNetwork
from irbox.networks.restoration_unet import RestorationUNet
from irbox.registry import part_kinds
from irbox.routers import ContextualPriorRouter, NoisyTopKRouter, PixelRouter
from irbox.structures import Context, DegradationPrior, Routing, Stage
from irbox.testing.reference import textbook
from irbox.testing.reference.twins import TWINS, find_twin
from support.paths import ROOT

DIM = 16
STAGE = Stage(dim=DIM, heads=4, prior_dim=12, num_degradations=3, prompt_dim=8)
BARE = Stage(dim=DIM, heads=4)
TOLERANCE = {'answer': 1e-4, 'gradient': 1e-3}
"""Largest difference over the deviation of what the textbook gives in float64. A gradient of one
weight for all pixels is a sum in which much cancels."""

EXPERT = {'type': 'MLPExpert', 'ratio': 1.5}
ADEC_PARTS = {
    'router': {'type': 'ContextualPriorRouter'},
    'expert': EXPERT,
    'shared_expert': EXPERT,
    'fuse': {'type': 'MSTBlock'},
}
DDER_PARTS = {'router': {'type': 'NoisyTopKRouter'}, 'expert': EXPERT, 'num_experts': 4}
OFFICIAL_GATE = {
    'gate_on': 'mamba',
    'gate_layers': 2,
    'gate_channels': 1,
    'projection_layers': 2,
    'prior_feature': 'content',
    'conv_norm': False,
}

MAP_LAYERS = {
    'LayerNorm2d': lambda: LayerNorm2d(DIM),
    'LayerNorm2d, without bias': lambda: LayerNorm2d(DIM, bias=False),
    'PointwiseConv2d': lambda: PointwiseConv2d(DIM, 6),
    'DepthwiseConv': lambda: DepthwiseConv(DIM, pointwise=True, bias=True),
    'Downsample': lambda: Downsample(DIM),
    'Upsample': lambda: Upsample(DIM),
    'GatedFeedForward': lambda: GatedFeedForward(DIM),
    'GatedFeedForward, bias': lambda: GatedFeedForward(DIM, 1.3, bias=True),
    'TransposedAttention': lambda: TransposedAttention(DIM, 4),
    'TransposedAttention, bare': lambda: TransposedAttention(DIM, 2, True, projection=False),
    'MambaStyleAttention': lambda: MambaStyleAttention(DIM, 4),
    'MambaStyleAttention, multiply': lambda: MambaStyleAttention(
        DIM, 4, 'multiply', separable=True, projection=False
    ),
    'MLPExpert': lambda: MLPExpert(DIM),
    'GatedExpert': lambda: GatedExpert(DIM),
    'GDFNExpert': lambda: GDFNExpert(DIM),
    'BandSplit, soft': lambda: BandSplit(DIM, 'soft'),
    'BandSplit, box': lambda: BandSplit(DIM, 'box'),
}
BLOCKS = {
    'TransformerBlock': lambda stage: TransformerBlock(stage),
    'MSTBlock': lambda stage: MSTBlock(stage),
    'MambaCNNBlock': lambda stage: MambaCNNBlock(stage),
    'MambaCNNBlock, mean': lambda stage: MambaCNNBlock(stage, gate='mean'),
    'MambaCNNBlock, official': lambda stage: MambaCNNBlock(stage, **OFFICIAL_GATE),
    'DDER': lambda stage: DDER(stage, **DDER_PARTS),
    'DDER, logexp': lambda stage: DDER(stage, combine='logexp', **DDER_PARTS),
    'DDER, gated experts': lambda stage: DDER(
        stage, {'type': 'PixelRouter'}, {'type': 'GatedExpert'}
    ),
    'DDER, experts on maps': lambda stage: DDER(
        stage, {'type': 'PixelRouter'}, {'type': 'GDFNExpert'}
    ),
    'ADEC': lambda stage: ADEC(stage, **ADEC_PARTS),
    'ADEC, gated': lambda stage: ADEC(stage, residual='gated', **ADEC_PARTS),
    'ADEC, printed': lambda stage: ADEC(stage, residual='none', separable=True, **ADEC_PARTS),
    'AdaptiveFrequencyBlock': lambda stage: AdaptiveFrequencyBlock(stage),
    'AdaptiveFrequencyBlock, soft': lambda stage: AdaptiveFrequencyBlock(stage, mask='soft'),
}
ROUTERS = {
    'PixelRouter': lambda stage: PixelRouter(stage, 4, 2),
    'NoisyTopKRouter': lambda stage: NoisyTopKRouter(stage, 4, 2),
    'NoisyTopKRouter, official': lambda stage: NoisyTopKRouter(
        stage, 4, 2, 'none', 0.01, 'scalar', bias_in_prior=True, load='official'
    ),
    'NoisyTopKRouter, printed': lambda stage: NoisyTopKRouter(
        stage, 4, 2, normalize='printed', load='corrected'
    ),
    'ContextualPriorRouter': lambda stage: ContextualPriorRouter(stage, 4, 2),
    'ContextualPriorRouter, single': lambda stage: ContextualPriorRouter(
        stage, 4, 2, 'single', 'straight_through', 'channel'
    ),
    'ContextualPriorRouter, noisy': lambda stage: ContextualPriorRouter(
        stage, 4, 2, load='noisy_topk'
    ),
}
NETWORKS = ('m2restore_official', 'm2restore', 'm2ir', 'm2ir_4668', 'unet')


def stir(module):
    """Give what starts at zero or one a value that shows."""
    with torch.no_grad():
        for weight in module.parameters():
            if weight.unique().numel() == 1:
                weight.add_(0.3 * torch.randn_like(weight))
    return module


def make_context(stage, batch=2, side=8):
    prior = prompt = None
    if stage.prior_dim:
        prior = DegradationPrior(
            torch.randn(batch, stage.prior_dim),
            torch.randn(batch, stage.num_degradations).softmax(1),
            torch.randn(batch, stage.prior_dim),
        )
        prompt = torch.randn(batch, stage.prompt_dim)
    return Context(torch.rand(batch, 3, 2 * side, 2 * side), prior, prompt, gates=[])


def tensors(answer):
    """Every tensor with a gradient of what a part gives."""
    if isinstance(answer, torch.Tensor):
        return [answer]
    if isinstance(answer, Routing):
        return [
            t for t in (answer.weights, answer.load, answer.scores, answer.shared) if t is not None
        ]
    return list(answer)


def run(module, call, inputs):
    """Answers, and the gradients of inputs and weights."""
    module.zero_grad()
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    torch.manual_seed(5)
    answers = tensors(call(module, *inputs))
    generator = torch.Generator().manual_seed(6)
    weights = [torch.randn(answer.shape, generator=generator) for answer in answers]
    pairs = zip(answers, weights, strict=True)
    sum((answer * weight).sum() for answer, weight in pairs if answer.requires_grad).backward()
    found = {f'answer {i}': answer.detach() for i, answer in enumerate(answers)}
    found |= {f'gradient of input {i}': x.grad for i, x in enumerate(inputs)}
    found |= {f'gradient of {name}': w.grad for name, w in module.named_parameters()}
    return {name: value for name, value in found.items() if value is not None}


def compare(module, call, inputs):
    """Hold ours and the textbook, both in float32, against the textbook in float64."""
    stir(module)
    twin = textbook(module)
    names = [name for name, _ in module.named_parameters()]
    assert names == [name for name, _ in twin.named_parameters()]
    ours = run(module, call, inputs)
    plain = run(twin, call, inputs)
    precise = copy.deepcopy(twin).double()
    if getattr(precise, 'prior', None) is not None:
        precise.prior.float()  # frozen, and float32 wherever it stands
    truth = run(precise, call, [x.double() for x in inputs])
    assert ours.keys() == truth.keys() == plain.keys()
    assert any(value.abs().max() > 0 for value in truth.values())
    for name, true in truth.items():
        # What is zero or the same everywhere has no deviation: 1e-3 of the largest gradient then.
        scale = max(true.std(correction=0).item(), true.abs().max().item() / 10, 1e-3)
        for which, found in (('ours', ours), ('textbook', plain)):
            away = (found[name] - true).abs().max().item() / scale
            assert away < TOLERANCE[name.split()[0]], f'{which}, {name}: {away:.1e}'


def call_block(stage, context):
    def call(module, x):
        given = copy.deepcopy(context)
        if x.dtype == torch.float64:
            given.image = given.image.double()
        return module(x, given)

    return call


@pytest.mark.parametrize('size', [(8, 8), (5, 7)])
@pytest.mark.parametrize('name', MAP_LAYERS)
def test_layers(name, size):
    torch.manual_seed(0)
    height, width = (8, 8) if name in ('Downsample', 'Upsample') else size
    compare(MAP_LAYERS[name](), lambda module, x: module(x), [torch.randn(2, DIM, height, width)])


def test_bands_of_a_large_map():
    """Only from 256 pixels on the published box holds anything."""
    torch.manual_seed(0)
    split = BandSplit(4, 'box')
    with torch.no_grad():
        for weight in split.parameters():
            weight.copy_(torch.randn_like(weight).abs())
    x = torch.rand(2, 4, 256, 386)
    for mine, plain in zip(split(x), textbook(split)(x), strict=True):
        torch.testing.assert_close(mine, plain, atol=1e-5, rtol=1e-5)
    assert split(x)[0].abs().max() > 0


@pytest.mark.parametrize('query_norm', ['channel', 'head'])
def test_cross_attention(query_norm):
    torch.manual_seed(0)
    layer = TransposedCrossAttention(DIM, 4, bias=True, query_norm=query_norm)
    compare(layer, lambda module, *xs: module(*xs), torch.randn(2, 2, DIM, 5, 7).unbind())


def test_modulation():
    torch.manual_seed(0)
    bands = torch.randn(2, 2, DIM, 5, 7).unbind()
    compare(FrequencyModulation(DIM), lambda module, *xs: module(*xs), bands)


@pytest.mark.parametrize('scan', ['loop', 'operator'])
def test_mamba(scan):
    torch.manual_seed(0)
    layer, x = Mamba(DIM), torch.randn(2, 19, DIM)
    compare(layer, lambda module, x: module(x), [x])
    torch.testing.assert_close(textbook(layer, scan)(x), layer(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('stage', [STAGE, BARE], ids=['prior', 'bare'])
@pytest.mark.parametrize('name', BLOCKS)
def test_blocks(name, stage):
    torch.manual_seed(0)
    block, context = BLOCKS[name](stage).eval(), make_context(stage)
    compare(block, call_block(stage, context), [torch.randn(2, DIM, 8, 8)])


@pytest.mark.parametrize('train', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('stage', [STAGE, BARE], ids=['prior', 'bare'])
@pytest.mark.parametrize('name', ROUTERS)
def test_routers_draw_and_choose_alike(name, stage, train):
    torch.manual_seed(0)
    router, context = stir(ROUTERS[name](stage)).train(train), make_context(stage)
    x = torch.randn(2, DIM, 5, 7)
    found = []
    for module in (router, textbook(router)):
        torch.manual_seed(1)
        found.append(tensors(module(x, context)))
    for mine, plain in zip(*found, strict=True):
        torch.testing.assert_close(mine, plain, atol=1e-5, rtol=1e-5)


def small(name):
    """A composition with a width of 8 and a block per place."""
    config = load_config(ROOT / f'configs/_base_/models/{name}.yaml', sections=()).to_dict()
    network = config['model']['network']
    network |= {'dim': 8, 'depths': [1, 1, 1, 1], 'heads': [1, 2, 2, 4], 'refinement': 1}
    if 'prior' in network:
        network['prior'] = {'type': 'FrozenRandomPrior', 'num_degradations': 6, 'feature_dim': 10}
    if 'prompt' in network:
        network['prompt'] |= {'num_prompts': 5, 'prompt_dim': 12, 'hidden': 7}
    torch.manual_seed(0)
    return irbox.build_network(config).eval()


@pytest.mark.parametrize('name', NETWORKS)
def test_networks(name):
    network = small(name)
    compare(network, lambda module, x: module(x), [torch.rand(1, 3, 24, 36)])


def test_a_textbook_build_takes_and_gives_the_same_weights():
    network = small('m2restore_official')
    twin = textbook(network)
    other = small('m2restore_official')
    stir(twin)
    other.load_state_dict(twin.state_dict())
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(other(x), twin(x), atol=1e-4, rtol=1e-4)
        # The network itself was left alone.
        assert not torch.allclose(network(x), twin(x), atol=1e-4)
    assert type(network) is RestorationUNet


def test_every_part_has_a_twin():
    parts = [
        part
        for kind in part_kinds()
        if kind.registry.name in ('block', 'router', 'expert')
        for part in kind.registry.module_dict.values()
        if part.__module__.startswith('irbox.')
    ]
    assert len(parts) >= 12
    assert [part.__name__ for part in parts if find_twin(part) is None] == []


def test_every_twin_is_tried():
    layers = [make() for make in MAP_LAYERS.values()]
    layers += [make(STAGE) for make in [*BLOCKS.values(), *ROUTERS.values()]]
    tried = {type(module) for layer in layers for module in layer.modules()}
    elsewhere = {RestorationUNet, RestorationNetwork, Chain, FrequencyModulation, Mamba}
    assert set(TWINS) <= tried | elsewhere


def test_what_overrides_keeps_its_own_way():
    class Doubled(GatedFeedForward):
        def forward(self, x):
            return 2 * super().forward(x)

    class Named(GatedFeedForward):
        pass

    torch.manual_seed(0)
    x = torch.randn(1, 8, 4, 4)
    assert find_twin(Doubled) is None
    assert issubclass(find_twin(Named), Named)
    assert find_twin(nn.Conv2d) is None
    for part in (Doubled(8), Named(8)):
        torch.testing.assert_close(textbook(part)(x), part(x))
    assert {TransposedAttention, MixtureOfExperts, DualBranch} <= set(TWINS)
