"""MIRAGE: channels cut in three, for attention, convolution and a perceptron, each gating the rest.

    _base_: [_base_/models/unet.yaml, ...]
    plugins: [plugins/mirage]
    model:
      network:
        type: MIRAGE
        encoder: {block: {_delete_: true, type: MIRAGEBlock}}
        bottleneck: {block: {_delete_: true, type: MIRAGEBlock}}
        decoder: {block: {_delete_: true, type: MIRAGEBlock}}
      losses:
        contrast: {type: CovarianceContrastLoss}

Its U narrows the deepest features before they go up and holds the head of a loss; its block fits
any U whose widths are multiples of three.
"""

from .block import MIRAGEBlock
from .contrast import CovarianceContrastLoss, CovarianceHead
from .convert import convert
from .network import MIRAGE

__all__ = ['CovarianceContrastLoss', 'CovarianceHead', 'MIRAGE', 'MIRAGEBlock', 'convert']
