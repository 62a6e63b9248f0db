"""PromptIR: counts and cost as published, prompts that act, and the file of its public code."""

import pytest
import torch
from torch.nn import functional as F

import irbox
from irbox.analysis.count_macs import count_macs
from irbox.analysis.network_table import describe
from irbox.config import load_plugins
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Stage
from irbox.testing import check_block
from support.peers import (
    ROOT,
    TINY,
    build,
    keeps_its_promises,
    loads_whole,
    parameters,
    stirred,
    trains,
)
from support.published_files import promptir_file as published_shapes
from support.published_files import promptir_unused as unused_shapes

load_plugins([ROOT / 'plugins/promptir.py'])
NETWORK = MODELS.get('PromptIR')
BLOCK = BLOCKS.get('PromptBlock')
UNUSED = 215_296
SMALL = TINY | {'prompt_dims': [12, 8, 4], 'prompt_sizes': [2, 4, 6]}


def convert(*arguments):
    import sys

    return sys.modules[NETWORK.__module__].convert(*arguments)


@pytest.fixture(scope='module')
def published():
    return build('promptir.yaml', device='meta')


def test_parameters(published):
    official = build('promptir_official.yaml', device='meta')
    assert parameters(official) == 35_592_263
    assert parameters(published) == 35_592_263 - UNUSED
    assert official.unused.numel() == UNUSED


def test_parameters_part_by_part(published):
    found = [
        (parameters(one.prompt), parameters(one.block), parameters(one.reduce))
        for (one,) in published.before_upsamples
    ]
    assert found == [
        (1_333_125, 5_991_652, 135_168),
        (803_781, 1_251_802, 61_440),
        (1_348_069, 319_014, 15_360),
    ]
    assert (parameters(published.ups[0]), parameters(published.reduces[0])) == (663_552, 55_296)


def test_cost(published):
    assert count_macs(published, 480, 720).total() / 1e9 == pytest.approx(835.3, abs=0.05)


def test_promises():
    network = build('promptir.yaml', SMALL)
    assert keeps_its_promises(network) == (set(), set())


def test_block_keeps_its_contract():
    check_block(BLOCK, prompt_dim=8, prompt_size=4)


def test_block_fits_every_place_of_a_plain_u():
    place = {'type': 'PromptBlock', 'prompt_dim': 8, 'prompt_size': 4}
    decoder = {'block': {'type': 'TransformerBlock'}, 'before_upsample': place}
    network = build('promptir.yaml', TINY | {'type': 'RestorationUNet', 'decoder': decoder})
    assert network(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_prompt_equals_the_formula():
    prompt = stirred(BLOCK(Stage(6, 2), prompt_dim=2, prompt_size=3).prompt)
    assert BLOCK(Stage(6, 2), prompt_dim=2).prompt.components.min() >= 0
    x = torch.randn(2, 6, 5, 4)
    for image, answer in zip(x, prompt(x), strict=True):
        mean = torch.stack([channel.mean() for channel in image])
        scores = prompt.score.weight @ mean + prompt.score.bias
        shares = scores.exp() / scores.exp().sum()
        mixed = sum(share * one for share, one in zip(shares, prompt.components, strict=True))
        resized = F.interpolate(mixed[None], (5, 4), mode='bilinear', align_corners=False)
        wanted = F.conv2d(resized, prompt.conv.weight, padding=1)[0]
        torch.testing.assert_close(answer, wanted, atol=1e-6, rtol=1e-5)


def test_block_joins_transforms_and_reduces():
    block = stirred(BLOCK(Stage(8, 1), prompt_dim=4, prompt_size=2, out_dim=6))
    x, context = torch.randn(1, 8, 4, 4), Context(torch.rand(1, 3, 8, 8))
    joint = torch.cat([x, block.prompt(x)], 1)
    assert block.block.attn.temperature.shape == (4, 1, 1)
    torch.testing.assert_close(block(x, context), block.reduce(block.block(joint, context)))
    assert block(x, context).shape == (1, 6, 4, 4)


def test_without_prompts_it_is_the_plain_u():
    plain = build('promptir.yaml', {'prompts': False}, device='meta')
    assert parameters(plain) == 26_126_644
    network = build('promptir.yaml', SMALL | {'prompts': False})
    assert network(torch.rand(1, 3, 9, 10)).shape == (1, 3, 9, 10)


def test_nothing_is_built_that_is_thrown_away(monkeypatch):
    made = []
    draw = torch.nn.Conv2d.reset_parameters

    def reset(layer):
        made.append(layer)
        draw(layer)

    monkeypatch.setattr(torch.nn.Conv2d, 'reset_parameters', reset)
    network = build('promptir.yaml', SMALL)
    kept = [one for one in network.modules() if isinstance(one, torch.nn.Conv2d)]
    assert {id(one) for one in made} == {id(one) for one in kept} and len(made) == len(kept)


def test_its_table_says_where_the_prompts_stand(published):
    rows = describe(published, count_macs(published, 16, 16))
    prompts = [row.place for row in rows if row.part == 'PromptBlock']
    assert prompts == [f'decoder {level}: before_upsample' for level in (4, 3, 2)]


def test_unused_weights_never_get_a_gradient():
    network = build('promptir_official.yaml', SMALL).train()
    network(torch.rand(1, 3, 16, 16)).sum().backward()
    without = {name for name, weight in network.named_parameters() if weight.grad is None}
    assert without == {'unused'}


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'depths': [1, 1, 1], 'heads': [1, 2, 4]}, 'four levels'),
        ({'prompt_dims': [8, 4]}, 'four levels'),
        (
            {
                'decoder': {
                    'block': {'type': 'TransformerBlock'},
                    'before_upsample': {'type': 'TransformerBlock'},
                }
            },
            'before_upsample is where PromptIR puts its prompts',
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        build('promptir.yaml', TINY | change, device='meta')


def test_the_published_file_has_the_published_sizes():
    shapes = published_shapes()
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 35_592_263 - UNUSED
    assert sum(torch.Size(shape).numel() for shape in unused_shapes().values()) == UNUSED


def test_converts_the_published_file():
    sizes = {'prompts': (12, 8, 4), 'sizes': (2, 4, 6)}
    shapes = published_shapes(8, TINY['depths'], 1, **sizes)
    network = build('promptir.yaml', SMALL)
    file, own = loads_whole(network, convert, shapes)
    deepest, middle, highest = (chain[0] for chain in network.before_upsamples)
    assert torch.equal(deepest.prompt.components, file['prompt3.prompt_param'][0])
    assert torch.equal(middle.prompt.score.weight, file['prompt2.linear_layer.weight'])
    assert torch.equal(highest.prompt.conv.weight, file['prompt1.conv3x3.weight'])
    assert torch.equal(middle.block.norm2.weight, file['noise_level2.norm2.body.weight'])
    assert torch.equal(deepest.reduce.weight, file['reduce_noise_level3.weight'])
    assert torch.equal(
        network.decoders[2][1].attn.qkv.weight, file['decoder_level1.1.attn.qkv.weight']
    )
    assert network(torch.rand(1, 3, 8, 8)).isfinite().all()
    # The layers that are never called: left out here, loaded by the official composition.
    extra = {name: torch.randn(shape) for name, shape in unused_shapes().items()}
    assert convert(file | extra, network).keys() == own.keys()
    official = build('promptir_official.yaml', SMALL)
    whole = convert({f'net.{name}': tensor for name, tensor in (file | extra).items()}, official)
    official.load_state_dict(whole, strict=True)
    assert torch.equal(
        official.unused, torch.cat([extra[name].flatten() for name in sorted(extra)])
    )
    assert all(torch.equal(whole[name], tensor) for name, tensor in own.items())
    with pytest.raises(ValueError, match='1 missing'):
        convert(file, official)


def test_a_file_that_does_not_fit_is_refused():
    network = build('promptir.yaml', SMALL, device='meta')
    shapes = published_shapes(8, TINY['depths'], 1, prompts=(12, 8, 4), sizes=(2, 4, 6))
    file = {name: torch.zeros(shape) for name, shape in shapes.items()}
    del file['prompt1.prompt_param']
    file['unheard_of'] = torch.zeros(1)
    file['output.weight'] = torch.zeros(3, 7, 3, 3)
    with pytest.raises(ValueError, match='PromptIR.*1 missing.*1 unknown.*1 of another shape'):
        convert(file, network)


@pytest.mark.parametrize('name', ['promptir.yaml', 'promptir_official.yaml', 'promptir_demo.yaml'])
def test_configs_train(name):
    trains(name)


def test_a_config_gives_the_network_in_one_call():
    network = irbox.build_network(ROOT / 'configs/plugins/promptir_demo.yaml')
    assert isinstance(network, NETWORK)
