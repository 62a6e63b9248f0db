"""MODEM: scans along Morton curves whose coefficients a degradation decides.

    _base_: [_base_/models/unet.yaml, ...]
    plugins: [plugins/modem]
    model:
      network:
        type: MODEM
        prompt: {type: DegradationEncoder}
        encoder: {block: {_delete_: true, type: MODEMBlock}}
        bottleneck: {block: {_delete_: true, type: MODEMBlock}}
        decoder: {block: {_delete_: true, type: MODEMBlock}}

What it sees of the degradation is a prompt, so that its block fits any U, with or without it.
"""

from .block import MODEMBlock
from .convert import convert
from .encoder import DegradationEncoder
from .network import MODEM

__all__ = ['MODEM', 'DegradationEncoder', 'MODEMBlock', 'convert']
