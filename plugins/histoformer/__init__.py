"""Histoformer and HOGformer: pixels are sorted before they are convolved and attended to.

    _base_: [_base_/models/unet.yaml, ...]
    plugins: [plugins/histoformer]
    model:
      network:
        type: Histoformer
        encoder: {block: {_delete_: true, type: HistogramBlock}}
        bottleneck: {block: {_delete_: true, type: HistogramBlock}}
        decoder: {block: {_delete_: true, type: HistogramBlock}}

HOGformer is the same U with ``GradientBlock``. Both networks show each lower level a smaller copy
of the image; their blocks fit any U whose widths suit them.
"""

from .convert import convert
from .gradient_block import GradientBlock
from .histogram_block import HistogramBlock
from .network import Histoformer

__all__ = ['GradientBlock', 'HistogramBlock', 'Histoformer', 'convert']
