"""Priors and prompts: what is computed once per image.

A prior says ``feature_dim`` and ``num_degradations`` and gives a ``DegradationPrior``; a prompt
says ``prompt_dim`` and gives (B, M).
"""

from irbox.priors.daclip_prior import DACLIPPrior
from irbox.priors.frozen_random_prior import FrozenRandomPrior
from irbox.priors.mlp_prior import MLPPrior
from irbox.priors.prompt_bank import PromptBank
from irbox.priors.timm_prior import TimmPrior

__all__ = ['DACLIPPrior', 'FrozenRandomPrior', 'MLPPrior', 'PromptBank', 'TimmPrior']
