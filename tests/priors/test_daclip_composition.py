"""DA-CLIP on open_clip's modules: counts, names, and which block speaks to which."""

from copy import deepcopy

import open_clip
import pytest
import torch
from torch import nn

from irbox.priors.daclip.composition import (
    DACLIP,
    architecture,
    degradation_features,
    image_features,
)
from irbox.priors.daclip.loading import empty_daclip
from support.daclip_files import TINY_ARCH, random_daclip

LAYERS = TINY_ARCH['vision_cfg']['layers']


@pytest.fixture(scope='module')
def model():
    return random_daclip()


@pytest.fixture(scope='module')
def pixels():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def block_keys(stem, width):
    shapes = {
        'ln_1.weight': (width,),
        'ln_1.bias': (width,),
        'attn.in_proj_weight': (3 * width, width),
        'attn.in_proj_bias': (3 * width,),
        'attn.out_proj.weight': (width, width),
        'attn.out_proj.bias': (width,),
        'ln_2.weight': (width,),
        'ln_2.bias': (width,),
        'mlp.c_fc.weight': (4 * width, width),
        'mlp.c_fc.bias': (4 * width,),
        'mlp.c_proj.weight': (width, 4 * width),
        'mlp.c_proj.bias': (width,),
    }
    return {f'{stem}.{key}': shape for key, shape in shapes.items()}


def released_keys(width, embedding, tokens, patch, layers, text_width):
    """The tensors of a released file and their shapes, without the second image tower."""
    keys = {'logit_scale': (), 'clip.logit_scale': ()}
    for tower, blocks in (
        ('clip.visual', 'clip.visual.transformer.resblocks'),
        ('visual_control', 'visual_control.transformer.transformer.resblocks'),
    ):
        keys |= {
            f'{tower}.class_embedding': (width,),
            f'{tower}.positional_embedding': (tokens, width),
            f'{tower}.proj': (width, embedding),
            f'{tower}.conv1.weight': (width, 3, patch, patch),
        }
        keys |= {
            f'{tower}.{n}.{p}': (width,) for n in ('ln_pre', 'ln_post') for p in ('weight', 'bias')
        }
        for index in range(layers):
            keys |= block_keys(f'{blocks}.{index}', width)
    for index in range(layers):
        keys[f'visual_control.transformer.zero_modules.{index}.weight'] = (width, width)
        keys[f'visual_control.transformer.zero_modules.{index}.bias'] = (width,)
    keys |= {
        'clip.positional_embedding': (77, text_width),
        'clip.text_projection': (text_width, embedding),
        'clip.token_embedding.weight': (49408, text_width),
        'clip.ln_final.weight': (text_width,),
        'clip.ln_final.bias': (text_width,),
    }
    for index in range(12):
        keys |= block_keys(f'clip.transformer.resblocks.{index}', text_width)
    return keys


@pytest.mark.parametrize(
    ('arch', 'sizes', 'tensors', 'parameters', 'controller'),
    [
        ('ViT-B-32', (768, 512, 50, 32, 12, 512), 479, 246_213_634, 94_936_320),
        ('ViT-L-14', (1024, 768, 257, 14, 24, 768), 791, 756_773_122, 303_966_208 + 25_190_400),
    ],
)
def test_names_shapes_and_counts_are_those_of_the_released_files(
    arch, sizes, tensors, parameters, controller
):
    model = empty_daclip(architecture(arch))
    assert {k: tuple(v.shape) for k, v in model.state_dict().items()} == released_keys(*sizes)
    assert len(model.state_dict()) == tensors
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert sum(p.numel() for p in model.visual_control.parameters()) == controller


def test_without_control_it_is_plain_clip(model, pixels):
    with torch.no_grad():
        assert torch.equal(model.encode_image(pixels, control=False)[0], model.clip.visual(pixels))


def test_zero_linears_give_plain_clip_exactly(model, pixels):
    """As they are before training."""
    new = DACLIP(architecture(TINY_ARCH)).eval()
    new.clip.load_state_dict(model.clip.state_dict())
    with torch.no_grad():
        controlled, _ = new.encode_image(pixels)
        assert torch.equal(controlled, model.clip.visual(pixels))
        assert not torch.allclose(model.encode_image(pixels)[0], controlled, atol=1e-2)


@pytest.mark.parametrize('speaking', range(LAYERS))
def test_the_last_block_of_the_controller_speaks_to_the_first_of_clip(model, pixels, speaking):
    one = deepcopy(model)
    for index, linear in enumerate(one.visual_control.transformer.zero_modules):
        if index != speaking:
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
    inputs: dict[bool, list] = {True: [], False: []}
    with torch.no_grad():
        _, said = degradation_features(one.visual_control, pixels)
        for control in (True, False):
            hooks = [
                block.register_forward_pre_hook(
                    lambda _, args, seen=inputs[control]: seen.append(args[0].clone())
                )
                for block in one.clip.visual.transformer.resblocks
            ]
            one.encode_image(pixels, control=control)
            for hook in hooks:
                hook.remove()
    receiving = LAYERS - 1 - speaking
    changes = [with_ - without for with_, without in zip(inputs[True], inputs[False], strict=True)]
    for change in changes[: receiving + 1]:
        assert not change.any()  # nothing was added before or inside the receiving block
    if receiving + 1 < LAYERS:
        # After the block, to every token, the class token too.
        torch.testing.assert_close(changes[receiving + 1], said[speaking])


def test_controlled_features_against_hooks_on_open_clips_own_forward(model, pixels):
    """The same sums, made by open_clip's forward with additions hooked onto its blocks."""
    plain = deepcopy(model.clip.visual)
    state = model.visual_control.state_dict()
    linears = model.visual_control.transformer.zero_modules
    stem = 'transformer.transformer.'
    controller = deepcopy(plain)
    controller.load_state_dict(
        {k.replace(stem, 'transformer.'): v for k, v in state.items() if 'zero_modules' not in k}
    )
    outputs = []
    for block in controller.transformer.resblocks:
        block.register_forward_hook(lambda _, __, output: outputs.append(output))
    with torch.no_grad():
        expected_features = controller(pixels)
        for block in plain.transformer.resblocks:
            block.register_forward_hook(
                lambda _, __, output: output + linears[len(outputs) - 1](outputs.pop())
            )
        expected_content = plain(pixels)
        content, features = model.encode_image(pixels)
    torch.testing.assert_close(features, expected_features)
    torch.testing.assert_close(content, expected_content)


def test_blocks_with_the_sequence_first_give_the_same(model, pixels):
    """Early releases of open_clip run blocks on (N, B, width)."""
    early = deepcopy(model)
    for tower in (early.clip.visual, early.visual_control.transformer):
        blocks = open_clip.transformer.Transformer(32, LAYERS, 2, batch_first=False).eval()
        blocks.load_state_dict(tower.transformer.state_dict())
        tower.transformer = blocks
    with torch.no_grad():
        for ours, expected in zip(
            early.encode_image(pixels), model.encode_image(pixels), strict=True
        ):
            torch.testing.assert_close(ours, expected)


def test_without_linears_the_controller_says_nothing(model, pixels):
    mute = deepcopy(model)
    mute.visual_control.transformer.zero_modules = nn.ModuleList()
    with torch.no_grad():
        features, said = degradation_features(mute.visual_control, pixels)
        assert said == []
        assert torch.equal(features, model.encode_image(pixels)[1])
        assert torch.equal(image_features(mute.clip.visual, pixels, said), mute.clip.visual(pixels))


@pytest.mark.parametrize(
    ('arch', 'message'),
    [
        ('ViT-B-23', "Did you mean 'ViT-B-32'"),
        ({'embed_dim': 16}, 'a mapping with the keys'),
        (TINY_ARCH | {'vision_cfg': {'depth': 3}}, 'depth'),
        (TINY_ARCH | {'vision_cfg': TINY_ARCH['vision_cfg'] | {'pool_type': 'avg'}}, 'plain CLIP'),
        (TINY_ARCH | {'vision_cfg': TINY_ARCH['vision_cfg'] | {'patch_dropout': 0.5}}, 'dropout'),
    ],
)
def test_architectures_that_are_refused(arch, message):
    with pytest.raises(ValueError, match=message):
        empty_daclip(architecture(arch))
