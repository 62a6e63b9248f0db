"""Experts: ``expert(x)`` keeps the shape of (B, C, H, W). Built with ``dim`` and own options."""

from irbox.experts.mlp_expert import MLPExpert

__all__ = ['MLPExpert']
