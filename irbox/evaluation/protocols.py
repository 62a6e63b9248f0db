"""Protocols: what exactly is compared when a restored image is scored.

The published tables of this field follow different conventions, and their numbers are comparable
within a convention only. A score therefore always carries the name of its protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from irbox.registry import suggest


@dataclass(frozen=True)
class Protocol:
    """How images are prepared, and how their similarity is measured.

    Both images are RGB and clipped to 0..1. PSNR is 10 log10(1 / MSE) with one mean over all pixels
    and channels.
    """

    crop_multiple: int = 1
    """Both images are cut, in the middle, to the next smaller multiple of this."""
    eight_bit: bool = False
    """Both images are rounded to the 256 levels of a PNG file."""
    window: Literal['uniform', 'gaussian'] = 'uniform'
    """SSIM's window, see ``ssim``."""


PROTOCOLS = {
    # PromptIR, AdaIR, MEASNet and MIRAGE; M2IR's Tables I, II and V.
    'aio': Protocol(crop_multiple=16),
    # MoCE-IR.
    'aio_gauss': Protocol(crop_multiple=16, window='gaussian'),
    # OneRestore, on CDD11; M2IR's Table III.
    'cdd11': Protocol(eight_bit=True),
}


def find_protocol(name: str) -> Protocol:
    """The protocol of a name.

    Raises:
        ValueError: There is none; the message names the nearest.
    """
    if name not in PROTOCOLS:
        raise ValueError(f'No protocol is called {name!r}. {suggest(str(name), PROTOCOLS)}')
    return PROTOCOLS[name]
