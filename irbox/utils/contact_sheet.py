"""A picture of pictures: labelled rows to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 24
GAP = 12
TEXT_SIZE = 15
HEADER_SIZE = 18
INK = (32, 32, 36)
FAINT = (110, 110, 118)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    captions: Sequence[Sequence[str]],
    headers: Sequence[str] | None = None,
) -> Image.Image:
    """Put images into a grid with a caption under each.

    Columns are as wide as their widest image, rows as high as their highest; captions longer than
    an image is wide are broken into lines.

    Args:
        rows: Images, (H, W, 3) floats in 0 to 1 (clipped). Rows may differ in length and images in
            size.
        captions: A text per image, ``''`` for none.
        headers: A text per column, drawn above it.

    Returns:
        The sheet, RGB, on white.

    Raises:
        ValueError: There are no images, or the captions or headers do not match them.

    Examples:
        >>> sheet = contact_sheet([[np.zeros((40, 60, 3)), np.ones((40, 60, 3))]], [['input', '']])
        >>> sheet.mode, sheet.size
        ('RGB', (180, 108))
    """
    if not any(rows):
        raise ValueError('A contact sheet needs at least one image.')
    if [len(row) for row in rows] != [len(texts) for texts in captions]:
        raise ValueError('Give one caption per image, in rows of the same lengths.')
    columns = max(len(row) for row in rows)
    if headers is not None and len(headers) != columns:
        raise ValueError(f'{len(headers)} headers do not match {columns} columns.')
    font = ImageFont.load_default(TEXT_SIZE)
    header_font = ImageFont.load_default(HEADER_SIZE)
    line = int(1.35 * TEXT_SIZE)

    widths = [max(row[c].shape[1] for row in rows if c < len(row)) for c in range(columns)]
    texts = [
        ['\n'.join(_lines(text, widths[c], font)) for c, text in enumerate(row)] for row in captions
    ]
    picture_heights = [max((image.shape[0] for image in row), default=0) for row in rows]
    text_heights = [line * max((_count(text) for text in row), default=0) for row in texts]
    head = int(1.9 * HEADER_SIZE) if headers else 0

    left = np.cumsum([MARGIN] + [width + GAP for width in widths]).tolist()
    heights = [p + t + GAP for p, t in zip(picture_heights, text_heights, strict=True)]
    top = np.cumsum([MARGIN + head, *heights]).tolist()
    sheet = Image.new('RGB', (left[-1] - GAP + MARGIN, top[-1] - GAP + MARGIN), 'white')
    draw = ImageDraw.Draw(sheet)
    for c, text in enumerate(headers or ()):
        middle = left[c] + widths[c] / 2
        draw.text((middle, MARGIN), text, fill=INK, font=header_font, anchor='ma')
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            pixels = np.rint(np.asarray(image).clip(0, 1) * 255).astype(np.uint8)
            sheet.paste(Image.fromarray(pixels), (left[c], top[r]))
            below = top[r] + picture_heights[r] + 3
            draw.multiline_text((left[c], below), texts[r][c], fill=FAINT, font=font, spacing=3)
    return sheet


def _count(text: str) -> int:
    return len(text.split('\n')) if text else 0


def _lines(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Break a text at spaces so that no line is wider than ``width``, single long words apart."""
    lines: list[str] = []
    for word in text.split():
        longer = f'{lines[-1]} {word}' if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
