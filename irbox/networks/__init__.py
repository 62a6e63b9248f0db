"""Networks: degraded images in, restored images out."""

from irbox.networks.restoration_unet import RestorationUNet

__all__ = ['RestorationUNet']
