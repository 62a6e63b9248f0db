"""What another library sees in a picture file, and what is expected to differ."""

import io

import cv2
import numpy as np
import tifffile
from PIL import Image

LOSSY = ('jpeg', 'webp-lossy', 'avif')
PALETTES = ('gif', 'gif-animation')
CONVERTED = {
    'png-palette': 'palette',
    'png-bilevel': '1 bit',
    'apng': 'animation',
    'jpeg-cmyk': 'CMYK',
    'webp-animation': 'animation',
    'tiff-cmyk': 'CMYK',
    'tiff-pages': 'page',
    'gif': 'palette',
    'gif-animation': 'palette',
}


def second_reader(name, data):
    """Values by another library than the one that read the file for irbox, where there is one."""
    if name.startswith('tiff') and '16' in name or 'float' in name:
        return tifffile.imread(io.BytesIO(data))
    if '16' in name:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if values.ndim == 3:
            values = values[..., [2, 1, 0, 3][: values.shape[2]]]
        return values
    return np.asarray(Image.open(io.BytesIO(data)))
