"""Numbers that the operators, their kernels and their twins agree on."""

from __future__ import annotations

LANES = 16
"""Channels that branches are padded to, so that rows begin at whole vectors."""
ACTIVATIONS = {'none': 0, 'sigmoid': 1, 'gelu': 2}
ROUTES = {'selected': 0, 'single': 1, 'with_shared': 2, 'without_shared': 3}
"""How weights are made of scores, see ``routing_operators.route``."""
WIDEST_HEAD = 128
"""Channels of an attention head whose sums a program holds at once."""
WIDEST_GATED = 128
"""Channels of a map whose rows a program multiplies twice."""
SCAN_STEPS = 16
"""Of a chunk of a sequence, all of which a thread of the scan's kernels holds."""
CAUSAL_STEPS = 32
"""Of a program that differentiates the convolution."""
PROGRAMS = 128
"""That sum over the pixels of an image: enough for a device, few enough to be added up."""
PARTS_AT_ONCE = 4
"""That are added up together: a multiple of it is there, the last of them perhaps empty."""
PIXELS_PER_PART = 64
"""At least."""
ROWS = 64
"""Of a head's matrix, which a program holds at once."""
HALVED_FROM = 5 * 2**29
"""Multiply-accumulates of a product from which its weights are given in bfloat16 first."""
ROUTED_PIXELS = 128
"""Whose best experts a program chooses."""
EXPERT_BLOCK = 1024
"""Pixels that are put in order together."""
EXPERT_TILE = 64
"""Rows that are multiplied by one expert's weights at once."""
PROGRAMS_AT_ONCE = 512
"""That keep a device busy: the largest have 132 units, which run a few programs each."""
CONVOLVED_PIXELS, CONVOLVED_CHANNELS = 16, 32
"""Of a row, that a program convolves."""
NORM_PROGRAMS = 512
"""That share the pixels of a norm's gradient, and sum it over theirs."""


def padded(width: int) -> int:
    """Give a width in whole vectors."""
    return -(-width // LANES) * LANES


def parts_of(pixels: int, heads: int, width: int, images: int = 1) -> int:
    """Say into how many parts the pixels of an image are cut, given the heads and their width.

    Images share a device: the more there are, the fewer parts keep it busy, and the fewer have to
    be added up by one program for each head of an image.
    """
    shared_by = heads * -(-width // ROWS)
    most = max(1, min(PROGRAMS // shared_by, PROGRAMS_AT_ONCE // (shared_by * images)))
    parts = max(1, min(most, -(-pixels // PIXELS_PER_PART)))
    return -(-parts // PARTS_AT_ONCE) * PARTS_AT_ONCE


def rows_each(height: int, width: int, images: int, channels: int) -> int:
    """Say how many rows of a map a program convolves, going down them.

    Long runs of rows read less twice, and weights less often; short ones keep a device busy.
    """
    across = -(-width // CONVOLVED_PIXELS) * -(-channels // CONVOLVED_CHANNELS)
    return 32 if across * images * height >= 32 * PROGRAMS_AT_ONCE else 16


def convolved_parts(height: int, width: int, images: int, rows: int) -> int:
    """Say into how many parts pixels are cut by programs that convolve so many rows each."""
    return images * -(-height // rows) * -(-width // CONVOLVED_PIXELS)


def norm_parts(pixels: int, channels: int) -> int:
    """Say how many programs differentiate a norm of pixels."""
    return max(1, min(NORM_PROGRAMS, -(-pixels // pixels_normed(channels))))


def pixels_normed(channels: int) -> int:
    """Say how many pixels a program normalises at once."""
    return max(1, 2048 // max(LANES, 1 << (channels - 1).bit_length()))
