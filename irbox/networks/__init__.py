"""Networks: degraded images in, restored images out."""

from irbox.networks.restoration_network import RestorationNetwork
from irbox.networks.restoration_unet import RestorationUNet
from irbox.networks.spandrel_network import SpandrelNetwork

__all__ = ['RestorationNetwork', 'RestorationUNet', 'SpandrelNetwork']
