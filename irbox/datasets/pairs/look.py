"""How degraded images are, to tell sets apart that have the same names and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from irbox.datasets.pairs.pairs import ImagePair
from irbox.datasets.read_image import read_image

LOOKED_AT = 5


def looks_like_another(pairs: Sequence[ImagePair], expected: Mapping[str, Any] | None) -> str:
    """Say that pairs are degraded as those of another set, or nothing.

    Args:
        pairs: Of which a few are read.
        expected: ``least`` or ``most``, the PSNR in dB between degraded and clean images, on
            average; ``otherwise``, the name of the set that it is if not.
    """
    psnr = mean_psnr(pairs) if expected else None
    if psnr is None or not expected:
        return ''
    least, most = expected.get('least', -np.inf), expected.get('most', np.inf)
    if least <= psnr <= most:
        return ''
    bound = f'at least {least}' if psnr < least else f'at most {most}'
    other = expected.get('otherwise')
    return f'degraded images of {bound} dB on average, but these have {psnr:.1f} dB.' + (
        f' Are they {other}, which has the same names?' if other else ''
    )


def mean_psnr(pairs: Sequence[ImagePair], number: int = LOOKED_AT) -> float | None:
    """Measure the mean PSNR in dB of degraded images, of a few pairs from everywhere in the list.

    Pairs that cannot be read or differ in size are passed over: others say so. None where there is
    no other.
    """
    found = []
    for index in np.unique(np.linspace(0, len(pairs) - 1, number).astype(int)):
        try:
            degraded, clean = (read_image(path) for path in pairs[index][:2])
        except (ValueError, OSError):
            continue
        if degraded.shape == clean.shape:
            error = np.mean((degraded.astype(np.float64) - clean) ** 2)
            # Equal images would be infinitely good, and decide alone.
            found.append(min(10 * np.log10(255**2 / error), 100.0) if error else 100.0)
    return float(np.mean(found)) if found else None
