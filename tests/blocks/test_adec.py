import pytest
import torch
from torch import nn

from irbox.blocks import ADEC
from irbox.registry import BLOCKS
from irbox.structures import Context, DegradationPrior, Stage
from irbox.testing import check_block

STAGE = Stage(dim=8, heads=2, prior_dim=5, num_degradations=3)
PARTS = {
    'router': {'type': 'ContextualPriorRouter'},
    'expert': {'type': 'MLPExpert', 'ratio': 1.5},
    'shared_expert': {'type': 'MLPExpert', 'ratio': 1.5},
    'fuse': {'type': 'MSTBlock'},
}


def build(**options):
    block = ADEC(STAGE, **(PARTS | options))
    with torch.no_grad():
        for weight in block.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return block


def context(batch=2):
    features = torch.randn(batch, 5)
    prior = DegradationPrior(features, torch.randn(batch, 3).softmax(1), features)
    return Context(torch.zeros(batch, 3, 8, 8), prior)


@pytest.mark.parametrize('residual', ['add', 'none', 'gated'])
def test_equals_the_equations(residual):
    block, x, known = build(residual=residual), torch.randn(2, 8, 5, 7), context()
    out = block(x, known)
    (routing,) = known.routings
    mixed = sum(
        routing.weights[:, n : n + 1] * expert(x) for n, expert in enumerate(block.mixture.experts)
    )
    mixed = mixed + routing.shared * block.mixture.shared(x)
    answer = block.attend(x, block.fuse(block.dwconv(mixed), known))
    wanted = {
        'add': lambda: x + answer,
        'none': lambda: answer,
        'gated': lambda: block.beta * x + block.alpha * answer,
    }[residual]()
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)


def test_gated_starts_as_the_identity():
    block, x = ADEC(STAGE, **PARTS, residual='gated'), torch.randn(2, 8, 5, 7)
    torch.testing.assert_close(block(x, context()), x)


def test_sparse_equals_dense_with_gradients():
    block, x, known = build(), torch.randn(2, 8, 6, 5, requires_grad=True), context()
    factors, results = torch.randn(2, 8, 6, 5), []
    assert block.mixture.pointwise
    for sparse in (True, False):
        block.mixture.pointwise = sparse
        out = block(x, known)
        gradients = torch.autograd.grad((out * factors).sum(), [x, *block.parameters()])
        results.append([out, *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_shared_expert_sees_every_pixel_and_the_others_their_share():
    block, x, known, seen = build(), torch.randn(2, 8, 6, 5), context(), {}
    for name, expert in (*block.mixture.experts.named_children(), ('all', block.mixture.shared)):
        expert.register_forward_hook(
            lambda module, given, out, name=name: seen.update({name: out.numel() // 8})
        )
    block(x, known)
    assert seen.pop('all') == 2 * 6 * 5
    assert [seen[str(n)] for n in range(4)] == known.routings[0].load.tolist()
    assert sum(seen.values()) == 2 * 2 * 6 * 5
    assert (known.routings[0].shared > 0).all()


def test_the_routing_is_read_by_a_hook():
    block, x, known, seen = build(), torch.randn(2, 8, 6, 5), context(), []
    without = block(x, known)
    handle = block.router.register_forward_hook(lambda module, given, out: seen.append(out))
    with_hook = block(x, known)
    handle.remove()
    assert torch.equal(with_hook, without)
    assert seen[0].scores.shape == (2, 4, 6, 5)
    assert torch.equal(seen[0].weights, known.routings[0].weights)


def test_what_changes_in_the_ablations():
    without_shared = build(shared_expert=None)
    assert without_shared.mixture.shared is None
    assert len(build(num_experts=8).mixture.experts) == 8
    assert isinstance(build(separable=True).dwconv[1], nn.Conv2d)


@pytest.mark.parametrize(
    'options',
    [
        # Table VII without DACP: a baseline's router, whose weights say nothing of the shared one.
        {'router': {'type': 'PixelRouter'}},
        {'shared_expert': None, 'residual': 'gated', 'separable': True},
        # An expert that sees its neighbours.
        {'expert': {'type': 'GDFNExpert'}, 'fuse': {'type': 'TransformerBlock'}},
        {'num_experts': 3, 'top_k': 3, 'residual': 'none'},
    ],
)
def test_keeps_its_contract_with_other_parts(options):
    check_block(ADEC, **(PARTS | options))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'num_experts': 2, 'top_k': 3}, 'top_k=3 must be between 1 and num_experts=2'),
        ({'num_experts': 2, 'top_k': 0}, 'ADEC.top_k: 0 must be a whole number above 0'),
        ({'residual': 'sub'}, "ADEC.residual: 'sub' is unknown. Choose 'add', 'none' or 'gated'"),
    ],
)
def test_mistakes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BLOCKS.build({'type': 'ADEC', **PARTS, **options}, stage=STAGE)
