"""How parts are built, called and tried; ``test_checks.py`` has what is found on them."""

import dataclasses

import pytest
import torch
from torch import nn

from irbox.structures import Stage
from irbox.testing.calling import BrokenPromiseError, answer, check_signatures, require
from irbox.testing.promises import attributes, nothing_kept
from irbox.testing.samples import STAGE, places, sample_context, sample_inputs


class Part(nn.Module):
    def __init__(self, dim, ratio=2.0):
        super().__init__()

    def forward(self, x, context):
        return x


def check(part, **changes):
    given = {'given': ['dim'], 'options': {}, 'inputs': ['x', 'context']} | changes
    check_signatures(part, 'block', **given)


def test_signatures_that_fit():
    check(Part)
    check(Part, options={'ratio': 1.0})
    check(Part, inputs=['x', 'context'])


@pytest.mark.parametrize(
    ('part', 'changes', 'said'),
    [
        (Part(1), {}, 'check_block takes a class, got an instance of Part. Options follow it'),
        ('Part', {}, "check_block takes a class, got 'Part'"),
        (dict, {}, 'dict is no nn.Module'),
        (Part, {'options': {'width': 3}}, r'Part cannot be built as Part\(dim=..., width=...\)'),
        (Part, {'given': ['dim', 'stage']}, 'The program passes dim and stage'),
        (nn.Module, {}, r'Module cannot be built as Module\(dim=...\)'),
        (Part, {'inputs': ['x']}, r'called as block\(x\), .* Write def forward\(self, x\)'),
    ],
)
def test_signatures_that_do_not_fit(part, changes, said):
    with pytest.raises(BrokenPromiseError, match=said):
        check(part, **changes)


def test_errors_of_a_part_are_told_as_its_own():
    assert answer('P', lambda: 3, 'on x', 'Hint') == 3
    with pytest.raises(
        BrokenPromiseError, match=r'^P fails on x: ValueError: no. Hint.$'
    ) as caught:
        answer('P', lambda: (_ for _ in ()).throw(ValueError('no.')), 'on x', 'Hint')
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(BrokenPromiseError, match=r'^P breaks.$'):
        answer('P', lambda: require(False, 'P', 'breaks'), 'on x', 'Hint')
    require(True, 'P', 'breaks')


def test_what_a_call_leaves_on_a_module_is_found_at_any_depth():
    module = nn.Sequential(Part(1))
    module[0].seen, module[0].count = [], 0
    before = dict(attributes(module))
    nothing_kept('P', module, before)
    for change, name in (
        (lambda part: part.seen.append(1), '0.seen'),
        (lambda part: setattr(part, 'count', 1), '0.count'),
        (lambda part: setattr(part, 'last', torch.ones(1)), '0.last'),
    ):
        change(module[0])
        with pytest.raises(BrokenPromiseError, match=f'P keeps {name} from its last call'):
            nothing_kept('P', module, before)
        before = dict(attributes(module))


def test_samples_are_what_the_stage_says():
    given = sample_inputs(STAGE, 2, 5, 7)
    assert given['x'].shape == (2, STAGE.dim, 5, 7) and given['image'].shape == (2, 3, 10, 14)
    torch.testing.assert_close(given['probabilities'].sum(1), torch.ones(2))
    context = sample_context(given)
    assert context.prior.content is given['content'] and context.prompt is given['prompt']
    bare = Stage(dim=4, heads=1)
    assert set(sample_inputs(bare, 1, 1, 1)) == {'x', 'image'}
    context = sample_context(sample_inputs(bare, 1, 1, 1))
    assert context.prior is None and context.prompt is None


def test_a_part_that_needs_a_prior_is_tried_with_one_only():
    def needs(stage, factor):
        if not stage.prior_dim:
            raise ValueError('no prior')
        return nn.Identity()

    assert places(needs, STAGE, {'factor': 1}) == [STAGE]
    both = places(lambda stage, factor: nn.Identity(), STAGE, {'factor': 1})
    bare = dataclasses.replace(STAGE, prior_dim=None, num_degradations=None, prompt_dim=None)
    assert both[0] == STAGE and len(both) == 2 and both[1].dim == bare.dim
    assert not both[1].prior_dim and not both[1].prompt_dim
