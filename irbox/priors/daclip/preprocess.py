"""From an image of any size to what a CLIP tower sees."""

from __future__ import annotations

from torch import Tensor

from irbox.utils.on_device import constants

# Mean and standard deviation of the channels. 'clip': CLIP's own, which DA-CLIP's restoration
# scripts use for both of its models. 'half': 0..1 becomes -1..1, what M2Restore's code feeds.
# 'none': 0..1.
STATISTICS = {
    'clip': ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    'half': ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    'none': ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def prepare(image: Tensor, size: int, resize: str, normalization: str) -> Tensor:
    """Shrink or grow the shorter side to ``size``, crop the centre, normalise the channels.

    DA-CLIP does this on 8-bit Pillow images; here it runs on batches of float images on any device,
    antialiased alike. On natural images the two differ by a fraction of a grey level on average.

    Args:
        image: (B, 3, H, W), RGB, 0 to 1.
        size: Side of the tower's input in pixels.
        resize: ``'bicubic'`` or ``'bilinear'``.
        normalization: A key of ``STATISTICS``.

    Returns:
        (B, 3, size, size), float32.
    """
    # Here: it takes half of a second, of every command, whatever its prior.
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as tv

    mean, deviation = STATISTICS[normalization]
    pixels = tv.resize(image.float(), [size], InterpolationMode(resize), antialias=True)
    # Bicubic overshoots at edges; 8-bit images cannot.
    pixels = tv.center_crop(pixels.clamp(0, 1), [size, size])
    # Not by `tv.normalize`, for whose numbers a device would be waited for.
    shift, scale = (constants(one, pixels)[:, None, None] for one in (mean, deviation))
    answer: Tensor = (pixels - shift) / scale
    return answer
