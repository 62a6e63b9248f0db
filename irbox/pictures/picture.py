"""A picture in memory: its values, and everything that is needed to write it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Metadata:
    """Hold what a picture file says beside its values.

    Attributes:
        exif: The EXIF block (a TIFF structure, without the mark ``Exif`` before it).
        icc: Color profile.
        xmp: XMP packet.
        photoshop: Photoshop image resources (``8BIM``), which hold IPTC.
        iptc: IPTC records that stand alone, as in a TIFF file.
        dpi: Horizontal and vertical resolution, dots per inch.
        comment: Comment of a JPEG or GIF file.
        chunks: Other chunks of a PNG file as they stand: type and content.
        segments: Other segments of a JPEG file as they stand: number of APPn and content.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    chunks: list[tuple[bytes, bytes]] = field(default_factory=list)
    segments: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass
class Picture:
    """Hold a decoded picture.

    Attributes:
        pixels: (H, W, 3) uint8, uint16 or float32, upright, greys repeated, in the color space of
            the picture's own profile (sRGB where there is none); floats as they stand in the file.
        alpha: (H, W) of the same dtype, or None.
        notes: What was converted or could not be kept, a sentence each.
        name: What messages call it.
        digest: SHA-256 of the input bytes, in hex.
        format: Pillow's name of the file format, such as ``'JPEG'``.
        gray: Whether the file holds grey values only.
        turned: Whether turning it upright exchanged width and height.
        encoding: How the file was encoded, for the writer of its format.
        metadata: What the file says beside its values.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    notes: list[str]
    name: str
    digest: str
    format: str
    gray: bool
    turned: bool = False
    encoding: dict[str, Any] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height, upright."""
        return self.pixels.shape[1], self.pixels.shape[0]
