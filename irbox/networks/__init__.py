"""Networks: degraded images in, restored images out."""

from irbox.networks.restoration_network import RestorationNetwork
from irbox.networks.restoration_unet import RestorationUNet

__all__ = ['RestorationNetwork', 'RestorationUNet']
