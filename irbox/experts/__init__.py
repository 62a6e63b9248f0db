"""Experts: ``expert(x)`` keeps the shape of (B, C, H, W). Built with ``dim`` and own options."""

from irbox.experts.gated_expert import GatedExpert
from irbox.experts.gdfn_expert import GDFNExpert
from irbox.experts.mlp_expert import MLPExpert

__all__ = ['GDFNExpert', 'GatedExpert', 'MLPExpert']
