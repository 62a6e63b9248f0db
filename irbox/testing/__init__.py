"""Helpers for tests, of ours and of people who write parts."""

from irbox.testing.checks import check_block, check_expert, check_router
from irbox.testing.image_checks import check_loss, check_prior
from irbox.testing.metric_check import check_metric

__all__ = [
    'check_block',
    'check_expert',
    'check_loss',
    'check_metric',
    'check_prior',
    'check_router',
]
