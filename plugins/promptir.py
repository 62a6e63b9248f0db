"""PromptIR: a Restormer whose decoder is told what to do by learned prompts.

    _base_: [_base_/models/unet.yaml, ...]
    plugins: [plugins/promptir.py]
    model: {network: {type: PromptIR}}

Before each upsampling a prompt is mixed from learned components, laid beside the features and
worked in by a Transformer block; the first of these insertions halves the width of the deepest
features. No other system changes widths there, so this file brings its own network, a
``RestorationUNet`` with three insertions and one narrower upsampling, and the U stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.blocks import TransformerBlock
from irbox.conversion import UNET_PARTS, UNET_PLACES, published_name, rename_weights
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.networks import RestorationUNet
from irbox.networks.chain import Chain
from irbox.registry import BLOCKS, MODELS
from irbox.structures import Context, Stage


class Prompt(nn.Module):
    """A map that is mixed from learned maps by what the features hold.

    ``conv3x3(resize(sum_n softmax(W mean(x) + b)_n P_n))``.

    Args:
        dim: Channels of the features.
        prompt_dim: Channels of the prompt.
        prompt_size: Height and width of the learned maps.
        num_prompts: Learned maps.
    """

    def __init__(self, dim: int, prompt_dim: int, prompt_size: int, num_prompts: int = 5) -> None:
        super().__init__()
        self.components = nn.Parameter(
            torch.rand(num_prompts, prompt_dim, prompt_size, prompt_size)
        )
        self.score = nn.Linear(dim, num_prompts)
        self.conv = nn.Conv2d(prompt_dim, prompt_dim, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Make a prompt for each image, (B, C, H, W) -> (B, prompt_dim, H, W)."""
        weights = self.score(x.mean((2, 3))).float().softmax(1)
        prompt = torch.einsum('bn,ndhw->bdhw', weights, self.components.float()).to(x.dtype)
        answer: Tensor = self.conv(
            F.interpolate(prompt, x.shape[-2:], mode='bilinear', align_corners=False)
        )
        return answer


@BLOCKS.register_module()
class PromptBlock(nn.Module):
    """Lays a prompt beside the features, transforms both together and reduces them again.

    Args:
        stage: Where the block sits. Its own number of heads is not used.
        prompt_dim: Channels of the prompt.
        prompt_size: Height and width of the learned maps.
        num_prompts: Learned maps.
        heads: Attention heads over features and prompt: 4 at every level.
        out_dim: Channels of the answer; those of the features by default, which every place of a
            U asks for.
    """

    def __init__(
        self,
        stage: Stage,
        prompt_dim: int = 64,
        prompt_size: int = 64,
        num_prompts: int = 5,
        heads: int = 4,
        out_dim: int | None = None,
    ) -> None:
        super().__init__()
        joint = stage.dim + prompt_dim
        self.prompt = Prompt(stage.dim, prompt_dim, prompt_size, num_prompts)
        self.block = TransformerBlock(Stage(joint, heads))
        self.reduce = PointwiseConv2d(joint, out_dim or stage.dim, bias=False)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Work a prompt into a map, (B, C, H, W) -> (B, out_dim, H, W)."""
        answer: Tensor = self.reduce(self.block(torch.cat([x, self.prompt(x)], dim=1), context))
        return answer


@MODELS.register_module()
class PromptIR(RestorationUNet):
    """A U of four levels with prompts in its decoder (PromptIR, NeurIPS 2023).

    Args:
        encoder: As in ``RestorationUNet``.
        bottleneck: As there.
        decoder: As there; its ``before_upsample`` is taken by the prompts.
        dim: Channels of the first level.
        depths: Blocks per level, four of them.
        heads: Attention heads per level.
        refinement: Blocks after the decoder.
        prompt_dims: Channels of the prompts, the deepest first.
        prompt_sizes: Height and width of their learned maps.
        num_prompts: Learned maps of each.
        prompts: Have prompts at all. Without them this is the plain U (the public code crashes).
        unused_weights: Also hold so many weights that nothing reads. The public code owns, counts
            and never calls six convolutions, 215,296 weights in all. They get no gradient:
            distributed training needs ``find_unused_parameters``.

    Raises:
        ValueError: There are not four levels and three prompts, or ``before_upsample`` is taken.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        bottleneck: dict[str, Any],
        decoder: dict[str, Any],
        dim: int = 48,
        depths: tuple[int, ...] = (4, 6, 6, 8),
        heads: tuple[int, ...] = (1, 2, 4, 8),
        refinement: int = 4,
        prompt_dims: tuple[int, ...] = (320, 128, 64),
        prompt_sizes: tuple[int, ...] = (16, 32, 64),
        num_prompts: int = 5,
        prompts: bool = True,
        unused_weights: int = 0,
    ) -> None:
        if not len(depths) - 1 == len(prompt_dims) == len(prompt_sizes) == 3:
            raise ValueError(
                f'PromptIR has four levels and a prompt for all but the first; got depths='
                f'{list(depths)}, prompt_dims={list(prompt_dims)}, '
                f'prompt_sizes={list(prompt_sizes)}.'
            )
        if decoder.get('before_upsample'):
            raise ValueError(
                'decoder.before_upsample is where PromptIR puts its prompts. Remove it, or take '
                '`type: RestorationUNet` and `before_upsample: {type: PromptBlock}`.'
            )
        # Plain values, which a module may hold before its constructor: it builds the insertions.
        shapes = zip(prompt_dims, prompt_sizes, strict=True)
        self.prompts = [(*shape, num_prompts) for shape in shapes] if prompts else None
        super().__init__(encoder, bottleneck, decoder, None, None, dim, depths, heads, refinement)
        if unused_weights:
            # One vector: only how many they are is known, and all that matters.
            self.unused = nn.Parameter(torch.zeros(unused_weights))

    def build_insertion(
        self, decoder: Mapping[str, Any], stage: Stage, index: int
    ) -> tuple[nn.Module, int]:
        """Build a prompt; the deepest answer is as wide as the level above it."""
        if self.prompts is None:
            return super().build_insertion(decoder, stage, index)
        width = stage.dim // 2 if index == 0 else stage.dim
        return Chain([PromptBlock(stage, *self.prompts[index], out_dim=width)]), width


_INSERTION = re.compile(r'before_upsamples\.(\d)\.0\.(prompt\.|block\.|reduce\.)')
_INSERTED = {'prompt.': 'prompt{}.', 'block.': 'noise_level{}.', 'reduce.': 'reduce_noise_level{}.'}
_PARTS = UNET_PARTS | {
    'components': 'prompt_param',
    'score.': 'linear_layer.',
    'conv.': 'conv3x3.',
}
_UNUSED = re.compile(r'(module\.)?(net\.)?(chnl_reduce\d|reduce_noise_channel_\d)\.')


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of PromptIR the names of a ``PromptIR``.

    Args:
        released: The ``state_dict`` of the released file, with or without a leading ``net.``.
        network: What the weights are for; it may be on the meta device. Without
            ``unused_weights`` the six convolutions that are never called are left out; with it they
            are laid one behind the other, in the order of their names.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """

    def theirs(key: str) -> str:
        inserted = _INSERTION.match(key)
        if inserted:
            number, part = inserted.groups()
            place = {inserted[0]: _INSERTED[part].format(3 - int(number))}
            return published_name(key, place, _PARTS)
        return published_name(key, UNET_PLACES, UNET_PARTS)

    idle = [released[name].flatten() for name in sorted(released) if _UNUSED.match(name)]
    if idle and 'unused' in network.state_dict():
        rest = {name: tensor for name, tensor in released.items() if not _UNUSED.match(name)}
        released = rest | {'unused': torch.cat(idle)}
    return rename_weights(released, network, theirs, 'PromptIR', _UNUSED)
