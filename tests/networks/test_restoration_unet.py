import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from irbox.layers.padding import pad_to_multiple
from irbox.networks import RestorationUNet
from irbox.networks.restoration_unet import PLACES
from irbox.registry import BLOCKS, part_kinds
from irbox.structures import Context

BLOCK = {'type': 'TransformerBlock'}
SMALL = {'dim': 8, 'depths': (1, 1, 1, 1), 'refinement': 1}
SIZES = [(1, 1), (5, 7), (9, 8), (8, 8), (61, 70)]


def plain(**options):
    places = {name: {'block': BLOCK} for name in ('encoder', 'bottleneck', 'decoder')}
    return RestorationUNet(**(SMALL | places | options)).eval()


def m2restore(**options):
    """The paper's composition, small, with a prior that needs no file."""
    experts = {
        'type': 'DDER',
        'router': {'type': 'NoisyTopKRouter'},
        'expert': {'type': 'MLPExpert'},
    }
    places = {
        'prior': {'type': 'FrozenRandomPrior', 'num_degradations': 6, 'feature_dim': 16},
        'prompt': {'type': 'PromptBank', 'num_prompts': 8, 'prompt_dim': 12, 'hidden': 8},
        'encoder': {'before_level': experts, 'block': BLOCK},
        'bottleneck': {'block': {'type': 'MambaCNNBlock'}},
        'decoder': {'before_upsample': {'type': 'AdaptiveFrequencyBlock'}, 'block': BLOCK},
    }
    return RestorationUNet(**(SMALL | places | options)).eval()


def stirred(network):
    """Moved away from the start, where zeros hide what follows them."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network


@pytest.fixture(scope='module')
def small():
    torch.manual_seed(0)
    return stirred(m2restore())


@pytest.mark.parametrize('size', SIZES)
def test_gives_images_of_the_same_size(small, size):
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        restored = small(image)
    assert restored.shape == image.shape and restored.dtype == image.dtype
    assert restored.isfinite().all()


def test_pads_by_reflection_and_crops(small):
    image = torch.rand(1, 3, 13, 22)
    extended = F.pad(image, (0, 2, 0, 3), mode='reflect')
    context = small.describe(image)  # belief about the image, not about its padding
    with torch.no_grad():
        torch.testing.assert_close(small(image), small(extended, context)[..., :13, :22])


def test_adds_what_it_predicts_to_the_image():
    network = plain()
    torch.nn.init.zeros_(network.output.weight)
    image = torch.rand(1, 3, 9, 20)
    assert torch.equal(network(image), image)


def test_equals_the_u_written_out():
    """Three levels, part by part, as in the paper's figure."""
    network = stirred(plain(depths=(1, 2, 1), heads=(1, 2, 4), refinement=2))
    image = torch.rand(1, 3, 8, 12)
    context = Context(image)

    def run(blocks, x):
        for block in blocks:
            x = block(x, context)
        return x

    fine = run(network.encoders[0], network.embed(image))
    middle = run(network.encoders[1], network.downs[0](fine))
    coarse = run(network.bottleneck, network.downs[1](middle))
    up = torch.cat([network.ups[0](coarse), middle], dim=1)
    up = run(network.decoders[0], network.reduces[0](up))
    up = torch.cat([network.ups[1](up), fine], dim=1)
    up = run(network.refinement, run(network.decoders[1], up))
    assert up.shape == (1, 16, 8, 12)  # the finest level keeps both halves
    torch.testing.assert_close(network(image), network.output(up) + image)


@pytest.mark.parametrize('size', [(1, 1), (9, 20), (32, 16)])
def test_pixels_unshuffled_make_every_level_half_as_large(size):
    torch.manual_seed(0)
    network = stirred(plain(pixel_unshuffle=2))
    seen = []
    network.embed.register_forward_hook(lambda module, given, map: seen.append(map.shape))
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        restored = network(image)
    assert network.multiple == 16
    assert restored.shape == image.shape
    rows, columns = (-(-side // 16) * 16 for side in size)
    assert seen == [(2, 8, rows // 2, columns // 2)]
    # A network over the unshuffled pixels as channels, whose answer is shuffled and added.
    inner = copy.deepcopy(network)
    inner.embed, inner.output = network.embed[1], network.output[0]
    padded = pad_to_multiple(image, 16)
    squares = F.pixel_unshuffle(padded, 2)
    with torch.no_grad():
        added = inner.restore(squares, Context(image=padded)) - squares
    expected = (padded + F.pixel_shuffle(added, 2))[..., : size[0], : size[1]]
    torch.testing.assert_close(restored, expected, rtol=1e-5, atol=1e-5)


def test_levels_have_their_widths_heads_and_depths():
    network = plain(depths=(1, 2, 3, 4), refinement=2)
    stages = [*network.encoders, network.bottleneck, *network.decoders, network.refinement]
    assert [len(chain) for chain in stages] == [1, 2, 3, 4, 3, 2, 1, 2]
    widths = [chain[0].norm1.weight.numel() for chain in stages]
    assert widths == [8, 16, 32, 64, 32, 16, 16, 16]
    assert [len(chain[0].attn.temperature) for chain in stages] == [1, 2, 4, 8, 4, 2, 1, 1]


def test_every_place_is_filled_at_every_level():
    network = m2restore()
    before = [chain[0].mixture.experts[0].fc1.in_features for chain in network.before_levels]
    assert before == [8, 16, 32]
    upsamples = [len(chain[0].alpha) for chain in network.before_upsamples]
    assert upsamples == [64, 32, 16]
    assert type(network.bottleneck[0]).__name__ == 'MambaCNNBlock'


def test_its_places_hold_every_part_in_the_order_of_the_image(small):
    places = small.places()
    assert list(places)[:5] == [
        'prior',
        'prompt',
        'embed',
        'encoder 1: before_level',
        'encoder 1: block',
    ]
    assert list(places)[-4:] == [
        'decoder 2: block',
        'decoder 2: before_upsample',
        'decoder 1: block',
        'refinement: decoder block',
    ]
    ran = []
    names = {module: name for name, module in places.items()}
    handles = [
        module.register_forward_hook(lambda module, *_: ran.append(names[module]))
        for module in names
    ]
    with torch.no_grad():
        small(torch.rand(1, 3, 8, 8))
    for handle in handles:
        handle.remove()
    assert ran == list(places)


def test_every_place_is_one_where_the_check_of_configs_expects_a_block():
    keys = next(kind.keys for kind in part_kinds() if kind.registry is BLOCKS)
    assert {place for places in PLACES.values() for place in places} <= set(keys)


def test_ends_refinement_and_upsampling_are_built_by_methods():
    class Other(RestorationUNet):
        def build_embedding(self, dim):
            return nn.Conv2d(3, dim, 1)

        def build_upsampling(self, dim):
            resize = nn.Upsample(scale_factor=2, mode='bilinear')
            return nn.Sequential(resize, nn.Conv2d(dim, dim // 2, 1))

        def build_insertion(self, decoder, stage, index):
            chain, _ = super().build_insertion(decoder, stage, index)
            chain.append(Narrow(stage.dim, stage.dim // 2))
            return chain, stage.dim // 2

        def build_refinement(self, decoder, stage, depth):
            return Narrow(stage.dim, stage.dim)

        def build_output(self, dim):
            return nn.Conv2d(dim, 3, 1)

    class Narrow(nn.Module):
        def __init__(self, dim, out):
            super().__init__()
            self.conv = nn.Conv2d(dim, out, 1)

        def forward(self, x, context):
            return self.conv(x)

    places = {name: {'block': BLOCK} for name in ('encoder', 'bottleneck', 'decoder')}
    network = Other(**SMALL, **places)
    assert [up[1].in_channels for up in network.ups] == [32, 16, 8]
    # Half of what is upsampled and the encoder's answer, brought to the level's width.
    shapes = [tuple(reduce.weight.shape[:2]) for reduce in network.reduces]
    assert shapes == [(32, 48), (16, 24), (16, 12)]
    image = torch.rand(1, 3, 9, 10)
    assert network(image).shape == image.shape
    assert network.output.kernel_size == network.embed.kernel_size == (1, 1)


def test_the_prior_and_the_prompt_run_once_per_forward(small):
    calls = []
    handles = [
        part.register_forward_hook(lambda part, *_: calls.append(type(part).__name__))
        for part in (small.prior, small.prompt)
    ]
    with torch.no_grad():
        small(torch.rand(1, 3, 16, 16))
        assert sorted(calls) == ['FrozenRandomPrior', 'PromptBank']
        context = small.describe(torch.rand(1, 3, 16, 16))
        small(torch.rand(1, 3, 16, 16), context)
    assert len(calls) == 4  # a context that is given is used
    for handle in handles:
        handle.remove()


def test_three_routings_are_recorded_fine_to_coarse(small):
    image = torch.rand(2, 3, 21, 16)
    context = small.describe(image)
    with torch.no_grad():
        small(image, context)
    shapes = [tuple(routing.weights.shape) for routing in context.routings]
    assert shapes == [(2, 6, 24, 16), (2, 6, 12, 8), (2, 6, 6, 4)]
    assert torch.equal(context.image, image)  # only the blocks see the padded image


def test_evaluation_repeats_itself_and_training_does_not(small):
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(small(image), small(image))
        network = copy.deepcopy(small).train()
        assert not torch.equal(network(image), network(image))


def test_an_image_alone_equals_the_same_in_a_batch(small):
    images = torch.rand(3, 3, 16, 24)
    with torch.no_grad():
        together = small(images)
        for index in range(3):
            alone = small(images[index : index + 1])[0]
            torch.testing.assert_close(alone, together[index], atol=1e-5, rtol=1e-4)


def test_memory_formats_agree(small):
    image = torch.rand(2, 3, 16, 24)
    network = copy.deepcopy(small).to(memory_format=torch.contiguous_format)
    with torch.no_grad():
        wanted = network(image.contiguous())
        for other in (small, network):
            for form in (torch.contiguous_format, torch.channels_last):
                found = other(image.contiguous(memory_format=form))
                torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_every_trainable_weight_gets_a_gradient():
    network = stirred(m2restore()).train()
    # Noise sees to it that every expert is chosen somewhere.
    network(torch.rand(2, 3, 24, 32)).square().mean().backward()
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    missing = [name for name, weight in trainable.items() if weight.grad is None]
    assert not missing
    zero = {name for name, weight in trainable.items() if not weight.grad.any()}
    # At this size the published mask leaves the low band empty: nothing is asked by it.
    empty = ('attend_low.q.weight', 'attend_low.q_dwconv.weight', 'attend_low.temperature')
    assert {name for name in zero if not name.endswith(empty)} == set()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_automatic_mixed_precision_stays_near_and_trains(small, dtype):
    image = torch.rand(1, 3, 16, 24)
    network = copy.deepcopy(small)
    full = network(image)
    with torch.autocast('cpu', dtype):
        half = network(image).float()
    assert (half - full).norm() / full.norm() < 0.05
    half.square().mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_compiles_into_one_graph():
    network = stirred(m2restore(depths=(1, 1), heads=(1, 2)))
    compiled = torch.compile(network, backend='eager', fullgraph=True)
    image = torch.rand(1, 3, 9, 10)
    with torch.no_grad():
        torch.testing.assert_close(compiled(image), network(image), atol=1e-5, rtol=1e-4)


def gated(**options):
    """Gates of both papers: one in the encoder's blocks, one in the bottleneck's."""
    places = {
        'encoder': {'block': {'type': 'MSTBlock'}},
        'bottleneck': {'block': {'type': 'MambaCNNBlock'}},
    }
    return stirred(plain(depths=(1, 1), heads=(1, 2), **places, **options))


def test_gates_are_recorded_where_they_are_asked_for():
    network, image = gated(), torch.rand(2, 3, 9, 10)
    with torch.no_grad():
        context = dataclasses.replace(network.describe(image), gates=[])
        restored = network(image, context)
        unasked = network.describe(image)
        assert torch.equal(network(image, unasked), restored)
    assert unasked.gates is None
    shapes = [(gate.weighs, tuple(gate.values.shape)) for gate in context.gates]
    assert shapes == [('attention', (2, 8, 10, 10)), ('cnn', (2, 16, 5, 5))]
    assert all(gate.values.min() > 0 and gate.values.max() < 1 for gate in context.gates)


def test_gates_are_recorded_by_a_compiled_network():
    network, image = gated(), torch.rand(1, 3, 8, 8)
    compiled = torch.compile(network, backend='eager', fullgraph=True)
    found = []
    for one in (network, compiled):
        context = dataclasses.replace(network.describe(image), gates=[])
        with torch.no_grad():
            one(image, context)
        found.append([gate.values for gate in context.gates])
    assert len(found[1]) == 2
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)


def test_what_is_recorded_under_activation_checkpointing_is_read_before_the_backward_pass():
    network = stirred(
        plain(
            depths=(1, 1),
            heads=(1, 2),
            encoder={
                'block': {'type': 'MSTBlock'},
                'before_level': {
                    'type': 'DDER',
                    'router': {'type': 'PixelRouter'},
                    'expert': {'type': 'MLPExpert'},
                },
            },
        )
    )
    image = torch.rand(1, 3, 8, 8)

    def run(saving):
        context = dataclasses.replace(network.describe(image), gates=[])
        if saving:
            restored = checkpoint(network, image, context, use_reentrant=False)
        else:
            restored = network(image, context)
        recorded = len(context.routings), len(context.gates)
        judged = sum(r.scores.var() if r.scores is not None else 0 for r in context.routings)
        judged = judged + sum(gate.values.mean() for gate in context.gates)
        network.zero_grad()
        (restored.square().mean() + judged).backward()
        return recorded, [weight.grad.clone() for weight in network.parameters()], context

    recorded, wanted, _ = run(saving=False)
    again, found, context = run(saving=True)
    assert recorded == again == (1, 1)
    torch.testing.assert_close(found, wanted)
    assert len(context.gates) == len(context.routings) == 2  # the documented trap


def test_state_dict_round_trip(small):
    other = m2restore()
    other.load_state_dict(small.state_dict())
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(other(image), small(image))


def test_can_be_copied_after_a_step():
    network = m2restore().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    image = torch.rand(1, 3, 16, 16)
    network(image).square().mean().backward()
    optimizer.step()
    averaged = copy.deepcopy(network).eval()
    with torch.no_grad():
        assert torch.equal(averaged(image), network.eval()(image))


def test_tiles_can_share_what_is_known_of_the_whole_image(small):
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        whole = small.describe(image)
        tile = image[..., :16, :16]
        shared = dataclasses.replace(whole, image=tile, routings=[])
        assert not torch.equal(small(tile, shared), small(tile))
        # What is known is all that tiles share: the same tile by itself sees its own prior.
        assert torch.equal(small(tile, small.describe(tile)), small(tile))


def test_a_network_without_optional_places_knows_nothing():
    context = plain().describe(torch.rand(1, 3, 8, 8))
    assert context.prior is None and context.prompt is None and context.routings == []


def test_places_may_be_null():
    network = plain(prior=None, prompt=None, encoder={'block': BLOCK, 'before_level': None})
    assert all(len(chain) == 0 for chain in network.before_levels)


def test_builds_and_runs_on_the_meta_device():
    with torch.device('meta'):
        network = m2restore()
        assert network(torch.zeros(1, 3, 61, 70)).shape == (1, 3, 61, 70)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (
            {'encoder': {'block': BLOCK, 'before_levels': BLOCK}},
            "encoder has no place called 'before_levels'. Did you mean 'before_level'",
        ),
        (
            {'bottleneck': {'block': BLOCK, 'before_level': BLOCK}},
            "bottleneck has no place called 'before_level'",
        ),
        ({'decoder': {}}, 'decoder needs a block'),
        ({'decoder': {'block': None}}, 'decoder needs a block'),
        ({'encoder': BLOCK}, 'encoder needs a block'),
        (
            {'depths': (1, 1, 1)},
            r'depths=\[1, 1, 1\] and heads=\[1, 2, 4, 8\] must be of the same length',
        ),
        ({'depths': (1,), 'heads': (1,)}, 'must be of the same length, two or more'),
        ({'dim': 9}, 'dim=9 must be even'),
        ({'dim': -4}, 'dim=-4 must be a whole number above 0'),
        ({'dim': 'abc'}, "dim='abc' must be"),
        ({'depths': 3}, 'depths=3 must be a list'),
        ({'heads': ('a',)}, r"heads=\('a',\) must be a list"),
        ({'heads': (3, 3, 3, 3)}, 'heads=3 must divide the 8 channels'),
        ({'encoder': {'block': {'type': 'PixelRouter'}}}, "No block is called 'PixelRouter'"),
        ({'prior': {'type': 'PromptBank'}}, 'PromptBank is no prior'),
        (
            {'prompt': {'type': 'MLPPrior', 'num_degradations': 2}},
            'MLPPrior is no prompt',
        ),
    ],
)
def test_mistakes_are_named_when_building(options, text):
    with pytest.raises(ValueError, match=text):
        plain(**options)
