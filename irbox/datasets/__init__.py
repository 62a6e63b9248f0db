"""Data sets, samplers, and the degradations that synthetic data is made with."""

from irbox.datasets.draw_sampler import DrawSampler

__all__ = ['DrawSampler']
