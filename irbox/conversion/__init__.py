"""Released weights under the names of ours: the face for plug-ins.

A plug-in that knows a released file has a function ``convert(released, network)``, which
``tools/convert_checkpoint.py published CONFIG IN OUT`` calls (``irbox.conversion.convert``).
"""

from irbox.conversion.rename_weights import (
    FREQUENCY_PARTS,
    FREQUENCY_PLACES,
    UNET_PARTS,
    UNET_PLACES,
    Renamed,
    published_name,
    rename_weights,
)

__all__ = [
    'FREQUENCY_PARTS',
    'FREQUENCY_PLACES',
    'UNET_PARTS',
    'UNET_PLACES',
    'Renamed',
    'published_name',
    'rename_weights',
]
