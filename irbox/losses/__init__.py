"""Losses: ``loss(restored, target, context)`` gives a scalar, already multiplied by its weight."""

from irbox.losses.balance_loss import BalanceLoss
from irbox.losses.charbonnier_loss import CharbonnierLoss
from irbox.losses.correlation_loss import CorrelationLoss
from irbox.losses.degradation_label_loss import DegradationLabelLoss
from irbox.losses.fft_loss import FFTLoss
from irbox.losses.hog_loss import HOGLoss
from irbox.losses.l1_loss import L1Loss
from irbox.losses.psnr_loss import PSNRLoss

__all__ = [
    'BalanceLoss',
    'CharbonnierLoss',
    'CorrelationLoss',
    'DegradationLabelLoss',
    'FFTLoss',
    'HOGLoss',
    'L1Loss',
    'PSNRLoss',
]
