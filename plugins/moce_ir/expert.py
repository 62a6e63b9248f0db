"""An expert: two maps convolved with each other in windows, in a few channels."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.layers.norm import LayerNorm2d
from irbox.layers.pointwise_conv import PointwiseConv2d
from irbox.utils.precision import full_precision


def window_product(query: Tensor, key: Tensor, window: int) -> Tensor:
    """Multiply the spectra of two maps window by window: their circular convolution in each.

    Args:
        query: (B, C, H, W).
        key: Same shape.
        window: Height and width of a window; maps are padded by zeros to a multiple of it.

    Returns:
        (B, C, H, W), float32.
    """
    if not query.numel():  # no image chose this expert; not every transform takes nothing
        return query.float() * key.float()
    height, width = query.shape[-2:]
    padding = (0, -width % window, 0, -height % window)
    with full_precision(query):
        of_query, of_key = (
            torch.fft.rfft2(
                rearrange(
                    F.pad(x.float(), padding),
                    'b c (h p) (w q) -> b c h w p q',
                    p=window,
                    q=window,
                )
            )
            for x in (query, key)
        )
        mixed = torch.fft.irfft2(of_query * of_key, s=(window, window))
    answer: Tensor = rearrange(mixed, 'b c h w p q -> b c (h p) (w q)')[..., :height, :width]
    return answer


class WindowAttention(nn.Module):
    """``W (v * LN(q (*) k))`` with the circular convolution of query and key in windows.

    Args:
        dim: Number of channels.
        window: Height and width of a window.
        kernel_size: Of the depthwise convolution of key and value; odd.
    """

    def __init__(self, dim: int, window: int, kernel_size: int = 7) -> None:
        super().__init__()
        self.window = window
        self.q = PointwiseConv2d(dim, dim, bias=False)
        self.q_dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.kv = PointwiseConv2d(dim, 2 * dim, bias=False)
        self.kv_dwconv = nn.Conv2d(
            2 * dim, 2 * dim, kernel_size, padding=kernel_size // 2, groups=2 * dim
        )
        self.norm = LayerNorm2d(dim)
        self.project_out = PointwiseConv2d(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a map, (B, C, H, W) -> same shape."""
        query = self.q_dwconv(self.q(x))
        key, value = self.kv_dwconv(self.kv(x)).chunk(2, dim=1)
        # Up to a thousand products are summed: normalised before half precision sees them.
        mixed = self.norm(window_product(query, key, self.window))
        answer: Tensor = self.project_out(value * mixed.to(value.dtype))
        return answer


class WindowExpert(nn.Module):
    """``x + Up(B(Down x) * SiLU(Down' s))`` with B a ``WindowAttention`` of few channels.

    Args:
        dim: Number of channels of ``x`` and ``s``.
        rank: Channels inside.
        window: Of B.
        kernel_size: Of B.
        depth: How often B is applied, each time to its last answer.
        reread: Apply B to ``Down x`` each time, as the public code does: no depth above 1 then
            changes anything.
    """

    def __init__(
        self,
        dim: int,
        rank: int,
        window: int,
        kernel_size: int = 7,
        depth: int = 1,
        reread: bool = False,
    ) -> None:
        super().__init__()
        self.times = 1 if reread else depth
        self.down = PointwiseConv2d(dim, rank, bias=False)
        self.down_shared = PointwiseConv2d(dim, rank, bias=False)
        self.up = PointwiseConv2d(rank, dim, bias=False)
        self.body = WindowAttention(rank, window, kernel_size)

    def forward(self, x: Tensor, shared: Tensor) -> Tensor:
        """Transform ``x`` as ``shared`` tells, two maps (B, C, H, W) -> one."""
        hidden = self.down(x)
        for _ in range(self.times):
            hidden = self.body(hidden)
        answer: Tensor = x + self.up(hidden * F.silu(self.down_shared(shared)))
        return answer
