"""DA-CLIP composed from the public modules of open_clip.

DA-CLIP (Luo et al., "Controlling Vision-Language Models for Multi-Task Image Restoration", ICLR
2024) is a frozen CLIP and a trained copy of its image tower, the *controller*, with one linear
layer beside each of the copy's blocks. The copy gives the degradation embedding; what the linears
say is added to the tokens of CLIP's own image tower, which then gives an embedding of the clean
content.

Module names follow the released files, so that those load without renaming: 479 tensors for
ViT-B-32, 791 for ViT-L-14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from irbox.registry import suggest
from irbox.utils.optional import require

Tower = Any
"""An image tower of open_clip, or a part of one: they have no stubs."""

ARCHITECTURES = ('ViT-B-32', 'ViT-L-14')


def open_clip_module() -> Any:
    """Import open_clip, or raise an ImportError that says how to get it."""
    return require('open_clip', package='open_clip_torch', needed_by='DACLIPPrior')


def architecture(arch: str | Mapping[str, Any]) -> dict[str, Any]:
    """Give the towers' sizes as open_clip does: ``embed_dim``, ``vision_cfg``, ``text_cfg``.

    Args:
        arch: One of ``ARCHITECTURES``, or such a mapping for towers of other sizes.

    Raises:
        ValueError: The name is unknown, or the mapping has other keys.
    """
    if isinstance(arch, str):
        if arch not in ARCHITECTURES:
            raise ValueError(f'DA-CLIP has no arch={arch!r}. {suggest(arch, ARCHITECTURES)}')
        return deepcopy(open_clip_module().get_model_config(arch))
    keys = {'embed_dim', 'vision_cfg', 'text_cfg'}
    if not isinstance(arch, Mapping) or set(arch) != keys:
        raise ValueError(f'arch is a name or a mapping with the keys {sorted(keys)}, got {arch!r}.')
    return {
        'embed_dim': arch['embed_dim'],
        'vision_cfg': dict(arch['vision_cfg']),
        'text_cfg': dict(arch['text_cfg']),
    }


class ControlledBlocks(nn.Module):
    """The blocks of the controller with a linear beside each, zero at first."""

    def __init__(self, transformer: Tower) -> None:
        super().__init__()
        self.transformer = transformer
        width = transformer.width
        linears = [nn.Linear(width, width) for _ in transformer.resblocks]
        for linear in linears:
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.zero_modules = nn.ModuleList(linears)

    @property
    def batch_first(self) -> bool:
        """Say whether tokens are (B, N, width); they are (N, B, width) in early releases."""
        return getattr(self.transformer, 'batch_first', False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Give the tokens after the last block, and what each linear says if there are linears."""
        said = []
        for index, block in enumerate(self.transformer.resblocks):
            tokens = block(tokens)
            if len(self.zero_modules):
                said.append(self.zero_modules[index](tokens))
        return tokens, said


def controller_of(visual: Tower) -> Tower:
    """Copy an image tower, with a linear beside each block."""
    controller = deepcopy(visual)
    controller.transformer = ControlledBlocks(controller.transformer)
    return controller


def degradation_features(controller: Tower, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Run the controller.

    Args:
        controller: From ``controller_of``.
        pixels: (B, 3, S, S), prepared for the tower.

    Returns:
        The degradation embedding (B, F), not normalised, and what the linear beside each block
        says, first block first.
    """
    tokens, said = controller.transformer(_embed(controller, pixels))
    return _read_out(controller, tokens), said


def image_features(visual: Tower, pixels: Tensor, said: list[Tensor] | None = None) -> Tensor:
    """Run CLIP's image tower, controlled or plain.

    What the controller says is used from its end: its *last* block speaks to the *first* block
    here. It is added to all tokens after the block.

    Args:
        visual: The image tower.
        pixels: (B, 3, S, S), prepared for the tower.
        said: From ``degradation_features``; None for plain CLIP.

    Returns:
        The content embedding (B, F), not normalised.
    """
    tokens = _embed(visual, pixels)
    blocks = visual.transformer.resblocks
    controls: Sequence[Tensor | None] = said or [None] * len(blocks)
    for block, control in zip(blocks, reversed(controls), strict=True):
        tokens = block(tokens) if control is None else block(tokens) + control
    return _read_out(visual, tokens)


class DACLIP(nn.Module):
    """The whole of DA-CLIP: CLIP, controller, logit scale.

    Args:
        arch: Sizes of the towers, from ``architecture``.

    Raises:
        ValueError: open_clip does not know a size's name, or the image tower is no plain CLIP
            vision transformer.
    """

    def __init__(self, arch: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            self.clip = open_clip_module().CLIP(**deepcopy(dict(arch)))
        except TypeError as error:
            raise ValueError(
                f'open_clip cannot build towers of these sizes: {error}. arch={arch!r}'
            ) from error
        _check_tower(self.clip.visual)
        self.visual_control = controller_of(self.clip.visual)
        self.logit_scale = nn.Parameter(self.clip.logit_scale.detach().clone())

    def encode_image(self, pixels: Tensor, control: bool = True) -> tuple[Tensor, Tensor]:
        """Embed content (as plain CLIP does without ``control``) and degradation, (B, F) each."""
        features, said = degradation_features(self.visual_control, pixels)
        return image_features(self.clip.visual, pixels, said if control else None), features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed tokens (D, 77), (D, F), not normalised."""
        embeddings: Tensor = self.clip.encode_text(tokens)
        return embeddings


def _check_tower(visual: Tower) -> None:
    plain = (
        hasattr(visual, 'class_embedding')
        and getattr(visual, 'attn_pool', None) is None
        and getattr(visual, 'pool_type', 'tok') == 'tok'
        and not getattr(getattr(visual, 'patch_dropout', None), 'prob', 0)
    )
    if not plain:
        raise ValueError(
            'DA-CLIP needs a plain CLIP vision transformer (class token, no attention pooling, '
            'no patch dropout); vision_cfg asks for another tower.'
        )


def _embed(tower: Tower, pixels: Tensor) -> Tensor:
    patches = tower.conv1(pixels).flatten(2).transpose(1, 2)
    first = tower.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    tokens = torch.cat([first, patches], dim=1) + tower.positional_embedding.to(patches.dtype)
    normalized: Tensor = tower.ln_pre(tokens)
    return normalized if _batch_first(tower) else normalized.transpose(0, 1)


def _read_out(tower: Tower, tokens: Tensor) -> Tensor:
    first = tokens[:, 0] if _batch_first(tower) else tokens[0]
    features: Tensor = tower.ln_post(first) @ tower.proj
    return features


def _batch_first(tower: Tower) -> bool:
    return getattr(tower.transformer, 'batch_first', False)
