"""What an image looks like, in 256 bits, and images that look like others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.fft import dct

# The image is made this small, and this many of the lowest frequencies each way are kept.
SIDE, FREQUENCIES = 64, 16
LEAST = 2.0
"""Gray levels that the small image deviates by, at least."""
_WAVES = dct(np.eye(SIDE, dtype=np.float32), axis=0)[:FREQUENCIES]
_HALF = FREQUENCIES**2 // 2
_WORD = 64
# Pairs that are compared at once: what is known about them stays in a processor's own cache.
_PAIRS = 2**16


def look_of(image: Image.Image, least: float = LEAST) -> bytes:
    """Give 256 bits: which of the lowest frequencies of an image's brightness are above the median.

    The perceptual hash by the discrete cosine transform (Zauner, 2010), with 16 frequencies each
    way in the place of 8, so that images of one place stay apart. Images that show too little to be
    told apart by it, such as one color, have no bits.

    Args:
        image: Of mode RGB or L.
        least: Gray levels, 0 to 255, that it has to deviate by when it is made small.
    """
    return looks_of([shrunk(image)], least)[0]


def looks_of(small: Sequence[Image.Image], least: float = LEAST) -> list[bytes]:
    """Give ``look_of`` of many images that ``shrunk`` made, in a fraction of the time of each."""
    if not small:
        return []
    values = np.stack([np.frombuffer(image.tobytes(), np.uint8) for image in small])
    gray = values.astype(np.float32)
    # The lowest frequencies only: a third of what the whole transform takes.
    waves = _WAVES @ gray.reshape(-1, SIDE, SIDE) @ _WAVES.T
    waves = waves.reshape(len(small), -1)
    waves[:, 0] = 0  # the mean says how bright it is, not what it shows
    middle = np.sort(waves, axis=1)[:, _HALF - 1 : _HALF + 1].mean(axis=1, keepdims=True)
    bits = np.packbits(waves > middle, axis=1)
    shows = gray.std(axis=1) >= least
    return [row.tobytes() if enough else b'' for row, enough in zip(bits, shows, strict=True)]


def shrunk(image: Image.Image) -> Image.Image:
    """Make the brightness of an image of mode RGB or L so small that only its look is left."""
    gray = image if image.mode == 'L' else image.convert('L')
    if gray.width % SIDE == gray.height % SIDE == 0:  # the same, three times as fast
        return gray.reduce((gray.width // SIDE, gray.height // SIDE))
    return gray.resize((SIDE, SIDE), Image.Resampling.BOX)


def nearest(looks: Sequence[bytes], others: Sequence[bytes], most: int) -> np.ndarray:
    """Find for each look the other that differs from it in the fewest bits.

    Args:
        looks: (N,) of 32 bytes.
        others: (M,) of the same.
        most: Bits, up to 127, that it may differ in.

    Returns:
        (N,) Its number among the others; -1 where all differ in more bits.
    """
    ours, theirs = _words(looks), _words(others)
    found = np.full(len(looks), -1)
    if not looks or not others:
        return found
    rows = max(1, _PAIRS // len(others))
    half = len(ours) // 2
    for start in range(0, len(looks), rows):
        part = ours[:, start : start + rows]
        # Hardly any that differ in many bits differ in few of the first half.
        bits = _differing(part[:half], theirs[:half])
        near = np.flatnonzero(bits.min(axis=1) <= most)
        if near.size:
            more = _differing(part[half:, near], theirs[half:])
            total = bits[near] + more.astype(np.uint16)  # all 256 are too many for a byte
            best = total.argmin(axis=1)
            close = total[np.arange(len(near)), best] <= most
            found[start + near[close]] = best[close]
    return found


def _words(looks: Sequence[bytes]) -> np.ndarray:
    """Write looks as (4, N) numbers of 64 bits."""
    words = np.frombuffer(b''.join(looks), np.uint64).reshape(len(looks), 2 * _HALF // _WORD)
    return np.ascontiguousarray(words.T)


def _differing(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Count the bits that differ, of words (W, N) and (W, M), at most 128 bits: (N, M) bytes."""
    found: np.ndarray = np.bitwise_count(ours[0][:, None] ^ theirs[0])
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        found += np.bitwise_count(one[:, None] ^ other)
    return found
