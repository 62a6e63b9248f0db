import pytest
from torch import nn

from irbox.registry import (
    BLOCKS,
    EXPERTS,
    HOOKS,
    LOSSES,
    MODELS,
    PRIORS,
    ROUTERS,
    build_part,
    check_arguments,
    find_part,
    known_names,
    suggest,
)
from irbox.structures import Stage

STAGE = Stage(dim=8, heads=2)


def test_builds_a_part_with_what_the_surrounding_part_passes():
    block = BLOCKS.build({'type': 'TransformerBlock', 'ratio': 1.0}, stage=STAGE)
    assert isinstance(block, nn.Module) and block.ffn.project_out.in_channels == 8


@pytest.mark.parametrize(
    ('registry', 'name', 'texts'),
    [
        (
            BLOCKS,
            'MambaCnnBlock',
            ["No block is called 'MambaCnnBlock'", "'MambaCNNBlock'", 'DDER'],
        ),
        (ROUTERS, 'NoisyTopKRoter', ["No router is called 'NoisyTopKRoter'", 'NoisyTopKRouter']),
        (ROUTERS, 'MLPExpert', ["No router is called 'MLPExpert'", 'Known: ', 'PixelRouter']),
        (EXPERTS, 'MlpExpert', ["No expert is called 'MlpExpert'", "Did you mean 'MLPExpert'?"]),
        (PRIORS, 'DACLIP', ["No prior is called 'DACLIP'", 'MLPPrior']),
        (LOSSES, 'BalanceLos', ["Did you mean 'BalanceLoss'?"]),
        (MODELS, 'RestorationUnet', ["Did you mean 'RestorationUNet'?"]),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(registry, name, texts):
    with pytest.raises(ValueError) as error:
        find_part(name, registry)
    for text in texts:
        assert text in str(error.value)


@pytest.mark.parametrize('registry', [BLOCKS, MODELS, HOOKS])
@pytest.mark.parametrize('name', ['os.system', 'torch.nn.Linear', 'irbox.blocks.DDER', '.', 'a.'])
def test_dotted_names_are_refused(registry, name):
    with pytest.raises(ValueError, match=r'dotted type names \(.*\) are refused.*its plain name'):
        registry.build({'type': name})


@pytest.mark.parametrize('name', [3, None, ['DDER'], nn.Linear])
def test_a_type_must_be_a_name(name):
    with pytest.raises(ValueError, match='The type of a block must be a name, got'):
        BLOCKS.build({'type': name})


@pytest.mark.parametrize('cfg', ['TransformerBlock', None, {}, {'ratio': 2}, ['type']])
def test_a_part_is_a_mapping_with_type(cfg):
    with pytest.raises(ValueError, match='A block is described by a mapping with the key `type`'):
        build_part(cfg, BLOCKS, stage=STAGE)


def test_an_unknown_argument_is_answered_with_the_nearest_and_the_remedy():
    cfg = {'type': 'DDER', 'topk': 2, 'router': {'type': 'PixelRouter'}}
    with pytest.raises(ValueError) as error:
        BLOCKS.build(cfg, stage=STAGE)
    text = str(error.value)
    assert "block DDER takes no argument 'topk'. Did you mean 'top_k'?" in text
    assert 'Known: combine, expert, num_experts, router, top_k.' in text  # no `stage`, no `self`
    assert 'add `_delete_: true` beside `type`' in text


def test_a_missing_argument_is_named():
    with pytest.raises(ValueError, match='block DDER needs router, expert. Add it beside'):
        BLOCKS.build({'type': 'DDER'}, stage=STAGE)


def test_an_argument_of_the_surrounding_part_cannot_be_set():
    cfg = {'type': 'TransformerBlock', 'stage': 3}
    with pytest.raises(ValueError, match="Block.stage: 'stage' is set by the program. Remove it"):
        BLOCKS.build(cfg, stage=STAGE)


def test_building_leaves_the_config_alone():
    cfg = {'type': 'MLPExpert', 'ratio': 1.0}
    EXPERTS.build(cfg, dim=4)
    EXPERTS.build(cfg, dim=4)
    assert cfg == {'type': 'MLPExpert', 'ratio': 1.0}


def test_parts_that_take_everything_are_left_to_themselves():
    check_arguments('Any', lambda **options: None, {'whatever': 1}, 'block')


def test_children_know_what_mmengine_registered():
    assert {'EMAHook', 'CheckpointHook'} <= known_names(HOOKS)
    assert 'CheckpointHook' not in known_names(BLOCKS)


def test_suggest():
    assert suggest('dpeths', ['heads', 'depths']) == "Did you mean 'depths'? Known: depths, heads."
    assert suggest('x', []) == 'Known: none.'
