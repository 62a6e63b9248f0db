"""MoCE-IR: counts and cost as published, literal references, its defects as options."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from irbox.analysis.count_macs import count_macs, sparse_share
from irbox.analysis.network_table import describe
from irbox.config import load_plugins
from irbox.config.load_config import load_config
from irbox.losses import BalanceLoss
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Stage
from irbox.testing import check_block
from support.peers import (
    ROOT,
    TINY,
    build,
    keeps_its_promises,
    parameters,
    stirred,
    trains,
)

load_plugins([ROOT / 'plugins/moce_ir'])
BLOCK, NETWORK = BLOCKS.get('MoCEBlock'), MODELS.get('MoCEIR')
PACKAGE = NETWORK.__module__.rpartition('.')[0]
EXPERT, MIXTURE = (sys.modules[f'{PACKAGE}.{name}'] for name in ('expert', 'mixture'))
SMALL = TINY | {'decoder_depths': [1, 1, 2]}
STAGE = Stage(dim=16, heads=2, prompt_dim=8)


def block(**options):
    return stirred(BLOCK(STAGE, **options))


def context(batch=2):
    return Context(torch.rand(batch, 3, 16, 16), prompt=torch.randn(batch, STAGE.prompt_dim))


def decided(part):
    """Routers so sure that noise changes nothing, and that images differ."""
    with torch.no_grad():
        for module in part.modules():
            if isinstance(module, MIXTURE.ImageRouter):
                for weight in module.parameters():
                    weight.normal_(0, 100)
    return part


# Counts and cost


@pytest.fixture(scope='module')
def published():
    return build('moce_ir.yaml', device='meta')


def test_parameters(published):
    assert parameters(published) == 25_353_796
    assert parameters(build('moce_ir_official.yaml', device='meta')) == 25_353_796
    assert parameters(build('moce_ir_s.yaml', device='meta')) == 11_477_752


def test_parameters_of_the_bare_defaults():
    """The only plain setting with this count: experts of rank 2 on every level, few blocks."""
    bare = build(
        'moce_ir.yaml',
        {
            'dim': 32,
            'depths': [1, 1, 1, 3],
            'decoder_depths': [1, 1, 1],
            'heads': [1, 1, 1, 1],
            'refinement': 1,
            'decoder': {'block': {'type': 'MoCEBlock', 'ranks': [2, 2, 2, 2]}},
        },
        device='meta',
    )
    assert parameters(bare) == 4_648_613


def test_parameters_part_by_part(published):
    assert parameters(published.embed) == parameters(published.output) == 1_296
    assert parameters(published.embedding) == 594_432
    assert parameters(published.encoders, published.downs) == 3_234_088
    assert parameters(published.bottleneck) == 12_051_520
    assert parameters(published.refinement) == 108_100
    levels = zip(published.ups, published.reduces, published.decoders, strict=True)
    assert [parameters(*level) for level in levels] == [7_154_624, 1_868_512, 339_928]


def test_parameters_of_experts(published):
    for chain, dim in zip(published.decoders, (192, 96, 48), strict=True):
        experts = chain[0].mixture.experts
        ranks = (dim // 8, dim // 4, dim // 2, dim)
        wanted = [3 * dim * r + 4 * r * r + 113 * r for r in ranks]
        assert [parameters(expert) for expert in experts] == wanted
        assert [expert.body.window for expert in experts] == [4, 8, 16, 32]


def test_cost_by_expert(published):
    """451 to 511 G without the biases of convolutions, which irbox counts."""
    macs = count_macs(published, 480, 720)
    modules = dict(published.named_modules())
    with_biases = macs.total()
    for name in macs:
        module = modules[name]
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            macs[name] -= macs[name] // (module.weight[0].numel() + 1)
    experts = [
        sum(count for name, count in macs.items() if f'.mixture.experts.{number}.' in name)
        for number in range(4)
    ]
    each = [(macs.total() - sum(experts) + expert) / 1e9 for expert in experts]
    assert each == pytest.approx([450.96, 456.54, 470.71, 510.98], abs=0.01)
    assert (round(min(each)), round(max(each))) == (451, 511)
    assert with_biases / 1e9 == pytest.approx(554.46, abs=0.01)  # with all four experts
    selected = sparse_share(published, macs).total() / 1e9
    assert selected == pytest.approx(sum(each) / 4, abs=0.01)  # 472.3; the paper prints 474


def test_its_table_names_the_places_as_configs_do(published):
    rows = describe(published, count_macs(published, 32, 32))
    assert [(row.place, row.part) for row in rows if not row.place.startswith(' ')] == [
        ('encoder 1: block', 'TransformerBlock x4'),
        ('encoder 2: block', 'TransformerBlock x6'),
        ('encoder 3: block', 'TransformerBlock x6'),
        ('bottleneck: block', 'TransformerBlock x8'),
        ('decoder 3: block', 'MoCEBlock x4'),
        ('decoder 2: block', 'MoCEBlock x4'),
        ('decoder 1: block', 'MoCEBlock x2'),
        ('refinement: encoder block', 'TransformerBlock x4'),
        ('rest: stem, resampling, output', ''),
    ]


# Promises


def test_promises():
    without, zero = keeps_its_promises(build('moce_ir.yaml', SMALL))
    # Weights of experts that no image chose get a gradient, which is zero.
    assert not without and all('.mixture.experts.' in name for name in zero)


def test_block_keeps_its_contract():
    check_block(BLOCK, windows=(2, 4))


def test_a_batch_of_several_experts_equals_single_images():
    network = decided(stirred(build('moce_ir.yaml', SMALL))).eval()
    images = torch.rand(6, 3, 21, 34)
    with torch.no_grad():
        seen = network.describe(images)
        together = network(images, seen)
        alone = torch.cat([network(image[None]) for image in images])
    chosen = [routing.weights[:, :, 0, 0].argmax(1) for routing in seen.routings]
    assert len(chosen) == 4 and any(len(set(one.tolist())) > 1 for one in chosen)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


# The expert


@pytest.mark.parametrize(('size', 'window'), [((4, 4), 4), ((5, 7), 4), ((3, 9), 8), ((6, 4), 2)])
def test_window_product_equals_circular_convolution(size, window):
    q, k = torch.randn(2, 3, *size), torch.randn(2, 3, *size)
    height, width = (-(-side // window) * window for side in size)
    wanted = torch.zeros(2, 3, height, width)
    padding = (0, width - size[1], 0, height - size[0])
    query, key = F.pad(q, padding), F.pad(k, padding)
    for top in range(0, height, window):
        for left in range(0, width, window):
            for i in range(window):
                for j in range(window):
                    for y in range(window):
                        for x in range(window):
                            wanted[..., top + i, left + j] += (
                                query[..., top + y, left + x]
                                * key[..., top + (i - y) % window, left + (j - x) % window]
                            )
    answer = EXPERT.window_product(q, k, window)
    torch.testing.assert_close(answer, wanted[..., : size[0], : size[1]], atol=1e-4, rtol=1e-4)


def test_expert_equals_the_formula():
    expert = stirred(EXPERT.WindowExpert(6, rank=4, window=4))
    x, s = torch.randn(1, 6, 5, 7), torch.randn(1, 6, 5, 7)
    body = expert.body

    def conv(layer, x, **options):
        return F.conv2d(x, layer.weight, layer.bias, **options)

    low = conv(expert.down, x)
    q = conv(body.q_dwconv, conv(body.q, low), padding=1, groups=4)
    k, v = conv(body.kv_dwconv, conv(body.kv, low), padding=3, groups=8).chunk(2, 1)
    mixed = EXPERT.window_product(q, k, 4)
    mean, spread = mixed.mean(1, keepdim=True), mixed.var(1, keepdim=True, unbiased=False)
    normed = (mixed - mean) / (spread + 1e-5).sqrt()
    normed = normed * body.norm.weight[:, None, None] + body.norm.bias[:, None, None]
    out = conv(body.project_out, normed * v)
    gate = conv(expert.down_shared, s)
    wanted = x + conv(expert.up, out * (gate * gate.sigmoid()))
    torch.testing.assert_close(expert(x, s), wanted, atol=1e-5, rtol=1e-4)


def test_block_equals_the_formula():
    part = decided(block()).eval()
    x, known = torch.randn(1, 16, 8, 8), context(1)
    n = part.norm1(x)
    s = part.shared(part.to_shared(n))
    routed = part.to_routed(n)
    clean = part.mixture.router.score(routed.mean((2, 3)))
    shares = (clean + part.mixture.router.score_embedding(known.prompt)).softmax(1)[0]
    best = int(shares.argmax())
    mix = part.mixture.project_out(shares[best] * part.mixture.experts[best](routed, s))
    y = x + part.mixer(mix, s)
    torch.testing.assert_close(part(x, known), y + part.ffn(part.norm2(y)))
    assert part.mixer.kv_dwconv.kernel_size == (7, 7) and part.mixer.kv_dwconv.bias is None


# The router


def test_router_equals_the_formula(monkeypatch):
    router = stirred(MIXTURE.ImageRouter(3, 2, [0.25, 0.5, 1.0, 0.75])).train()
    x, embedding, noise = torch.randn(5, 3, 4, 6), torch.randn(5, 2), torch.randn(5, 4)
    monkeypatch.setattr(torch, 'randn_like', lambda tensor: noise)
    index, weight, routing = router(x, embedding)
    normal = torch.distributions.Normal(0, 1)
    load, importance = torch.zeros(4), torch.zeros(4)
    for image in range(5):
        mean = x[image].mean((1, 2))
        clean = router.score.weight @ mean + router.score_embedding.weight @ embedding[image]
        noisy = clean + noise[image] / 4
        shares = noisy.exp() / noisy.exp().sum()
        assert index[image] == shares.argmax()
        torch.testing.assert_close(weight[image], shares.max())  # not made to sum to 1
        wanted = torch.zeros(4)
        wanted[index[image]] = weight[image]
        assert torch.equal(routing.weights[image, :, 3, 5], wanted)
        importance += clean.softmax(0) * torch.tensor([0.25, 0.5, 1.0, 0.75])
        load += 1 - normal.cdf((noisy.max() - clean) * 4)
    torch.testing.assert_close(routing.scores.mean((2, 3)).sum(0), importance)
    torch.testing.assert_close(routing.load, load / 5)
    assert routing.load.requires_grad and routing.scores.requires_grad


def test_noise_is_drawn_in_training_alone():
    router = MIXTURE.ImageRouter(3, 0, [1.0, 1.0])
    x = torch.randn(4, 3, 2, 2)

    def differs():
        return not torch.equal(router(x, None)[1], router(x, None)[1])

    assert router.train() and differs()
    assert router.eval() and not differs()
    router = MIXTURE.ImageRouter(3, 0, [1.0, 1.0], noise_in_evaluation=True).eval()
    assert differs()


def test_balance_loss_is_the_published_one():
    network = stirred(build('moce_ir.yaml', TINY | {'decoder_depths': [4, 4, 2]})).train()
    seen = network.describe(torch.rand(3, 3, 16, 16))
    answer = network(seen.image, seen)
    assert len(seen.routings) == 10
    total = 0
    for routing in seen.routings:
        importance = routing.scores[:, :, 0, 0].sum(0)
        for amounts in (importance, routing.load):
            total += 0.5 * (amounts.std() / amounts.mean()) ** 2
    weight = load_config(ROOT / 'configs/plugins/moce_ir.yaml').model.losses.balance.weight
    found = BalanceLoss(weight)(answer, answer, seen)
    torch.testing.assert_close(found, 0.01 * total / 10)
    demo = load_config(ROOT / 'configs/plugins/moce_ir_demo.yaml').model
    blocks = sum(demo.network.decoder_depths)
    assert demo.losses.balance.weight == pytest.approx(0.01 / blocks / 2, rel=0.03)


def test_expensive_experts_are_charged_for():
    router = BLOCK(Stage(192, 4)).mixture.router
    sizes = torch.tensor([18_840, 42_288, 103_008, 279_744])
    torch.testing.assert_close(router.complexity, sizes / 279_744)


# One expert an image


def ran(part):
    """How many images each expert saw."""
    seen = [None] * len(part.mixture.experts)

    def hook(number):
        return lambda module, given, out: seen.__setitem__(number, len(given[0]))

    for number, expert in enumerate(part.mixture.experts):
        expert.register_forward_hook(hook(number))
    return seen


def test_only_chosen_experts_run_in_evaluation():
    part = decided(block()).eval()
    seen, known = ran(part), context(5)
    part(torch.randn(5, 16, 8, 8), known)
    wanted = (known.routings[0].weights[:, :, 0, 0] > 0).sum(0).tolist()
    assert seen == [count or None for count in wanted]


def test_every_expert_gets_a_gradient_in_training():
    part = decided(block()).train()
    seen, known = ran(part), context(1)
    part(torch.randn(1, 16, 8, 8), known).sum().backward()
    assert sorted(seen) == [0, 0, 0, 1]
    assert all(weight.grad is not None for weight in part.parameters())


def test_sparse_equals_dense():
    part = decided(block()).train()
    answers = []
    x, s = torch.randn(6, 16, 9, 7), torch.randn(6, 16, 9, 7)
    index = torch.tensor([0, 2, 2, 3, 0, 1])
    for way in (part.mixture._sparse, part.mixture._dense):
        part.zero_grad()
        out = way(x, s, index)
        out.square().sum().backward()
        answers.append([out, *(weight.grad for weight in part.mixture.experts.parameters())])
    torch.testing.assert_close(*answers, atol=1e-4, rtol=1e-4)


def test_compiles_as_one_graph():
    part, known = block().eval(), context(3)
    x = torch.randn(3, 16, 9, 7)
    compiled = torch.compile(
        lambda x, image, prompt: part(x, Context(image, prompt=prompt)),
        backend='eager',
        fullgraph=True,
    )
    with torch.no_grad():
        answer = compiled(x, known.image, known.prompt)
        torch.testing.assert_close(answer, part(x, known), atol=1e-5, rtol=1e-5)


# What the public code does otherwise


def test_the_high_pass_is_a_laplacian_and_frozen_unless_asked():
    embedding = build('moce_ir.yaml', SMALL).embedding
    kernel = torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    assert torch.equal(embedding.high_pass.weight, kernel.expand(64, 1, 3, 3))
    assert not embedding.high_pass.weight.requires_grad
    assert build('moce_ir_official.yaml', SMALL).embedding.high_pass.weight.requires_grad
    x = torch.randn(2, 64, 4, 5)
    wanted = embedding.mlp(
        F.gelu(F.conv2d(x, kernel.expand(64, 1, 3, 3), padding=1, groups=64)).mean((2, 3))
    )
    torch.testing.assert_close(embedding(x), wanted)


def test_depth_counts_unless_each_time_starts_again():
    x, s = torch.randn(1, 8, 6, 6), torch.randn(1, 8, 6, 6)
    once = stirred(EXPERT.WindowExpert(8, 4, 4))
    twice = EXPERT.WindowExpert(8, 4, 4, depth=2)
    published = EXPERT.WindowExpert(8, 4, 4, depth=2, reread=True)
    for other in (twice, published):
        other.load_state_dict(once.state_dict())
    assert torch.equal(published(x, s), once(x, s))
    hidden = once.body(once.body(once.down(x)))
    wanted = x + once.up(hidden * F.silu(once.down_shared(s)))
    torch.testing.assert_close(twice(x, s), wanted)
    assert not torch.allclose(twice(x, s), once(x, s), atol=1e-3)


def test_kernel_size_is_not_ignored():
    part = BLOCK(STAGE, kernel_size=3)
    sizes = {m.kernel_size for m in part.modules() if isinstance(m, nn.Conv2d)}
    assert sizes == {(1, 1), (3, 3)}
    assert {e.body.kv_dwconv.kernel_size for e in BLOCK(STAGE).mixture.experts} == {(7, 7)}


def test_the_official_composition_has_the_defects_of_the_commands():
    official = build('moce_ir_official.yaml', SMALL)
    routers = [m for m in official.modules() if isinstance(m, MIXTURE.ImageRouter)]
    assert all(r.noise_in_evaluation and r.complexity.eq(1).all() for r in routers)
    losses = load_config(ROOT / 'configs/plugins/moce_ir_official.yaml').model.losses
    assert losses.frequency is None
    # The weights are the same, so that both compositions load one file.
    ours = build('moce_ir.yaml', SMALL)
    ours.load_state_dict(official.state_dict(), strict=True)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'windows': (1, 2, 4, 8, 16, 32)}, 'Name fewer windows'),
        ({'windows': ()}, 'Name fewer windows'),
        ({'ranks': (1, 2)}, 'every expert has both'),
        ({'kernel_size': 4}, 'must be odd'),
        ({'depth': 0}, 'must be 1 or more'),
    ],
)
def test_what_does_not_fit_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        BLOCK(STAGE, **options)


def test_a_network_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='one shorter'):
        build('moce_ir.yaml', {'decoder_depths': [4, 4]}, device='meta')
    with pytest.raises(ValueError, match='a block and nothing else'):
        build('moce_ir.yaml', {'encoder': {}}, device='meta')


@pytest.mark.parametrize(
    'name', ['moce_ir.yaml', 'moce_ir_s.yaml', 'moce_ir_official.yaml', 'moce_ir_demo.yaml']
)
def test_configs_train(name):
    trains(name)
