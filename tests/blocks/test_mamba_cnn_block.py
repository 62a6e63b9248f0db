import itertools

import pytest
import torch
from torch.nn import functional as F

from irbox.blocks import MambaCNNBlock
from irbox.registry import BLOCKS
from irbox.structures import Context, DegradationPrior, Stage
from irbox.testing import check_block

STAGE = Stage(dim=8, heads=2, prior_dim=5, num_degradations=3)
OFFICIAL = {
    'gate_on': 'mamba',
    'gate_layers': 2,
    'gate_channels': 1,
    'projection_layers': 2,
    'prior_feature': 'content',
    'conv_norm': False,
}


def build(stage=STAGE, **options):
    block = MambaCNNBlock(stage, **options)
    with torch.no_grad():
        for weight in block.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return block.eval()


def context(batch=2):
    prior = DegradationPrior(
        torch.randn(batch, 5), torch.randn(batch, 3).softmax(1), torch.randn(batch, 5)
    )
    return Context(torch.zeros(batch, 3, 8, 8), prior)


def by_hand(block, x, known, options):
    """Eq. 12-17 with every tensor laid out; (branches' answer, gate)."""
    parts = block.branches
    batch, dim, height, width = x.shape
    local = parts.conv_norm(x) if options.get('conv_norm', True) else x
    local = F.gelu(F.conv2d(local, parts.conv.weight, parts.conv.bias, padding=1, groups=dim))
    normed = parts.mamba_norm_in(x)
    rows = [normed[:, :, i, j] for i in range(height) for j in range(width)]
    scanned = parts.mamba(torch.stack(rows, dim=1))
    distant = torch.empty_like(x)
    for i, j in itertools.product(range(height), range(width)):
        distant[:, :, i, j] = scanned[:, i * width + j]
    distant = parts.mamba_norm_out(distant)
    if options.get('gate') == 'mean':
        return 0.5 * local + 0.5 * distant, None
    joint = x
    if known.prior is not None:
        belief = getattr(known.prior, options.get('prior_feature', 'features'))
        for layer in parts.project:
            belief = layer(belief)
        joint = torch.cat([x, belief[:, :, None, None].expand(-1, -1, height, width)], dim=1)
    for layer in parts.gate:
        is_linear = isinstance(layer, torch.nn.Linear)
        joint = (
            F.conv2d(joint, layer.weight[..., None, None], layer.bias)
            if is_linear
            else layer(joint)
        )
    gate = joint.sigmoid()
    if options.get('gate_on', 'cnn') == 'cnn':
        return gate * local + (1 - gate) * distant, gate
    return gate * distant + (1 - gate) * local, gate


@pytest.mark.parametrize(
    'options',
    [
        {},
        OFFICIAL,
        {'gate': 'mean'},
        {'gate_on': 'mamba'},
        {'gate_layers': 2},
        {'gate_channels': 1},
        {'projection_layers': 2},
        {'prior_feature': 'content'},
        {'conv_norm': False},
    ],
    ids=lambda options: ','.join(options) if len(options) < 3 else 'official',
)
def test_equals_the_equations(options):
    block, x, known = build(**options), torch.randn(2, 8, 3, 5), context()
    mixed, gate = by_hand(block, block.norm1(x), known, options)
    if gate is not None:
        assert gate.shape[1] == (1 if options.get('gate_channels') == 1 else 8)
    after = x + mixed
    wanted = after + block.ffn(block.norm2(after))
    torch.testing.assert_close(block(x, known), wanted, atol=1e-5, rtol=1e-4)


def test_without_a_prior_the_gate_sees_the_features_alone():
    block = build(Stage(dim=8, heads=2))
    known = Context(torch.zeros(2, 3, 8, 8))
    x = torch.randn(2, 8, 3, 5)
    after = x + by_hand(block, block.norm1(x), known, {})[0]
    torch.testing.assert_close(
        block(x, known), after + block.ffn(block.norm2(after)), atol=1e-5, rtol=1e-4
    )


def test_the_prior_moves_the_gate():
    block, x = build(), torch.randn(1, 8, 3, 5)
    one, other = context(1), context(1)
    assert not torch.allclose(block(x, one), block(x, other))
    mean = build(gate='mean')
    assert torch.equal(mean(x, one), mean(x, other))


@pytest.mark.parametrize('options', [{}, OFFICIAL])
def test_who_watches_the_gate_sees_features_and_belief(options):
    block, x, known, seen = build(**options), torch.randn(2, 8, 3, 5), context(), []

    def learn():
        answer = block(x, known)
        return answer.detach(), *torch.autograd.grad(answer.sum(), list(block.parameters()))

    alone = learn()
    block.branches.gate.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    watched = learn()
    assert [one.shape for one in seen] == [(2, 3, 5, 16)]
    for one, other in zip(alone, watched, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_published_parameter_count():
    block = MambaCNNBlock(Stage(384, 8, 512, 6), **OFFICIAL)
    assert 8 * sum(p.numel() for p in block.parameters()) == 30_713_432


@pytest.mark.parametrize('options', [OFFICIAL, {'gate': 'mean'}])
def test_keeps_its_contract(options):
    check_block(MambaCNNBlock, **options)


@pytest.mark.parametrize(
    ('option', 'value'),
    [
        ('gate', 'max'),
        ('gate_on', 'both'),
        ('gate_layers', 3),
        ('projection_layers', 0),
        ('prior_feature', 'probabilities'),
    ],
)
def test_unknown_choices_are_refused(option, value):
    with pytest.raises(ValueError, match=f'MambaCNNBlock.{option}: {value!r} is unknown. Choose '):
        BLOCKS.build({'type': 'MambaCNNBlock', option: value}, stage=STAGE)


def test_gate_channels_must_be_one_or_all():
    with pytest.raises(ValueError, match='gate_channels=3 must be 1, 8 or null'):
        MambaCNNBlock(STAGE, gate_channels=3)


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="backend: 'gpu' is unknown. Choose 'auto', 'cuda' or 'to"):
        BLOCKS.build({'type': 'MambaCNNBlock', 'backend': 'gpu'}, stage=STAGE)
    with pytest.raises(ValueError, match="No scan backend is called 'gpu'"):
        MambaCNNBlock(STAGE, backend='gpu')
