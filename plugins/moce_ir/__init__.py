"""MoCE-IR: a decoder that routes each image to one expert, and charges for the expensive ones.

    _base_: [_base_/models/unet.yaml, ...]
    plugins: [plugins/moce_ir]
    model:
      network:
        type: MoCEIR
        encoder: {block: {ratio: 2.0, bias: true}}
        bottleneck: {block: {ratio: 2.0, bias: true}}
        decoder: {block: {_delete_: true, type: MoCEBlock}}

Its decoder is not that of the U (narrower at the first level, of other depths, told about the
deepest features), so it brings a network of its own. The decoder's block fits any U.
"""

from .block import MoCEBlock
from .convert import convert
from .network import MoCEIR

__all__ = ['MoCEBlock', 'MoCEIR', 'convert']
