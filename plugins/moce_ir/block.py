"""The block of MoCE-IR's decoder."""

from __future__ import annotations

from torch import Tensor, nn

from irbox.layers.attention import TransposedAttention
from irbox.layers.cross_attention import TransposedCrossAttention
from irbox.layers.feed_forward import GatedFeedForward
from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.registry import BLOCKS
from irbox.structures import Context, Stage

from .expert import WindowExpert
from .mixture import ImageMixture, ImageRouter


class WideCrossAttention(TransposedCrossAttention):
    """Cross-attention whose key and value look farther around.

    Args:
        dim: Number of channels of both maps.
        heads: Number of heads; divides ``dim``.
        kernel_size: Of the depthwise convolution of key and value; odd.
    """

    def __init__(self, dim: int, heads: int, kernel_size: int = 7) -> None:
        super().__init__(dim, heads)
        self.kv_dwconv = nn.Conv2d(
            2 * dim, 2 * dim, kernel_size, padding=kernel_size // 2, groups=2 * dim, bias=False
        )


@BLOCKS.register_module()
class MoCEBlock(nn.Module):
    """A shared branch, one expert for the image, and attention from the one to the other.

    ``s = MDTA(A n)``, ``a = MoE(A' n, F, s)`` with ``n = LN x``; ``x + attention(a, s)``, then a
    gated feed-forward layer. ``F`` is the context's prompt; without one an image is routed by its
    features alone. The routing is recorded for ``BalanceLoss``.

    Args:
        stage: Where the block sits.
        windows: Window of each expert, the cheapest first.
        ranks: Channels inside each expert; for N experts ``C / 2**(N-1)`` to ``C`` by default.
        ratio: Expansion of the feed-forward layer.
        kernel_size: Of the depthwise convolutions of keys and values; odd. (The public code takes
            the argument and ignores it.)
        depth: How often an expert applies its inner part.
        reread: As in the public code, let each of these times start from the same input.
        complexity_bias: Charge for expensive experts in the balance loss: their scores count by
            their number of parameters. The commands of the public code leave it off.
        noise_in_evaluation: Choose experts by chance in evaluation too, as the public code does.

    Raises:
        ValueError: Windows and ranks differ in number or one is below 1 (too many experts for the
            channels), ``kernel_size`` is even or ``depth`` below 1.
    """

    def __init__(
        self,
        stage: Stage,
        windows: tuple[int, ...] = (4, 8, 16, 32),
        ranks: tuple[int, ...] | None = None,
        ratio: float = 2.0,
        kernel_size: int = 7,
        depth: int = 1,
        reread: bool = False,
        complexity_bias: bool = True,
        noise_in_evaluation: bool = False,
    ) -> None:
        super().__init__()
        dim, heads = stage.dim, stage.heads
        if ranks is None:
            ranks = tuple(dim // 2**power for power in reversed(range(len(windows))))
        if not windows or len(ranks) != len(windows) or min(*windows, *ranks) < 1:
            raise ValueError(
                f'windows={list(windows)} and ranks={list(ranks)}: every expert has both, 1 or '
                'more. Name fewer windows or widen the network.'
            )
        if kernel_size % 2 == 0 or depth < 1:
            raise ValueError(
                f'kernel_size={kernel_size} must be odd and depth={depth} must be 1 or more.'
            )
        experts = [
            WindowExpert(dim, rank, window, kernel_size, depth, reread)
            for rank, window in zip(ranks, windows, strict=True)
        ]
        sizes = [sum(weight.numel() for weight in expert.parameters()) for expert in experts]
        complexity = [size / max(sizes) if complexity_bias else 1.0 for size in sizes]

        self.top_k = 1  # experts for each image, for those who count costs
        self.norm1 = LayerNorm2d(dim)
        self.to_shared = PointwiseConv2d(dim, dim)
        self.to_routed = PointwiseConv2d(dim, dim)
        self.shared = TransposedAttention(dim, heads)
        self.mixture = ImageMixture(
            dim, experts, ImageRouter(dim, stage.prompt_dim, complexity, noise_in_evaluation)
        )
        self.mixer = WideCrossAttention(dim, heads, kernel_size)
        self.norm2 = LayerNorm2d(dim)
        self.ffn = GatedFeedForward(dim, ratio)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        normed = self.norm1(x)
        shared = self.shared(self.to_shared(normed))
        routed, routing = self.mixture(self.to_routed(normed), shared, context.prompt)
        context.record(routing)
        x = x + self.mixer(routed, shared)
        answer: Tensor = x + self.ffn(self.norm2(x))
        return answer
