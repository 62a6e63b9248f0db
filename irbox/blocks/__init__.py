"""Blocks: ``block(x, context)`` keeps the shape of (B, C, H, W).

Built with ``stage`` and own options.
"""

from irbox.blocks.adaptive_frequency_block import AdaptiveFrequencyBlock
from irbox.blocks.adec import ADEC
from irbox.blocks.dder import DDER
from irbox.blocks.mamba_cnn_block import MambaCNNBlock
from irbox.blocks.mst_block import MSTBlock
from irbox.blocks.transformer_block import TransformerBlock

__all__ = [
    'ADEC',
    'DDER',
    'AdaptiveFrequencyBlock',
    'MSTBlock',
    'MambaCNNBlock',
    'TransformerBlock',
]
